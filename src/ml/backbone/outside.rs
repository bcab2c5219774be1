//! Model files of others as far as we read them ourselves: for `crate::fuzzing`.

use std::path::Path;

use tch::Device;

use super::{Backbone, archive as script};
use crate::domain::model::{Layout, ModelFormat, ModelSpec, Preprocessing, Resize};

/// As weights of the smallest architecture.
pub(crate) fn weights(path: &Path) {
    let size = 8;
    let preprocessing = Preprocessing {
        height: size,
        width: size,
        channels: 1,
        mean: Vec::new(),
        std: Vec::new(),
        layout: Layout::Nchw,
        resize: Resize::None,
    };
    let spec = ModelSpec {
        format: ModelFormat::Safetensors,
        architecture: "small_cnn".to_owned(),
        class_count: 0,
        class_names: Vec::new(),
        preprocessing,
        text: None,
    };
    let _ = Backbone::load(path, &spec, Device::Cpu);
}

/// As a TorchScript archive, before libtorch sees it.
pub(crate) fn archive(bytes: &[u8]) {
    let _ = script::inspect(bytes);
}
