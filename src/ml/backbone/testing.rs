//! Shared by the tests of this module.

use crate::domain::model::{Layout, ModelFormat, ModelSpec, Preprocessing, Resize};

/// A built-in architecture for square images of `size` pixels.
pub(super) fn spec(architecture: &str, class_count: u32, channels: u32, size: u32) -> ModelSpec {
    ModelSpec {
        format: ModelFormat::Safetensors,
        architecture: architecture.to_owned(),
        class_count,
        class_names: Vec::new(),
        preprocessing: Preprocessing {
            height: size,
            width: size,
            channels,
            mean: Vec::new(),
            std: Vec::new(),
            layout: Layout::Nchw,
            resize: Resize::None,
        },
        text: None,
    }
}
