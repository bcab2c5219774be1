//! Models, images and comparisons that the tests share.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};
use unlearnd::domain::model::{Layout, ModelFormat, ModelSpec, Preprocessing, Resize};
use unlearnd::ml::backbone::{Backbone, BnMode};

/// Every kind of block and shortcut occurs in one of them.
pub(crate) const ONE_OF_EACH_KIND: [&str; 4] = ["cifar_resnet20", "resnet18", "resnet50", "small_cnn"];

pub(crate) fn spec(architecture: &str, class_count: u32, channels: u32, size: u32) -> ModelSpec {
    let preprocessing = Preprocessing {
        height: size,
        width: size,
        channels,
        mean: Vec::new(),
        std: Vec::new(),
        layout: Layout::Nchw,
        resize: Resize::None,
    };
    let format = ModelFormat::Safetensors;
    ModelSpec {
        format,
        architecture: architecture.to_owned(),
        class_count,
        class_names: Vec::new(),
        preprocessing,
        text: None,
    }
}

pub(crate) fn torchscript(spec: &ModelSpec) -> ModelSpec {
    ModelSpec { format: ModelFormat::TorchScript, architecture: String::new(), ..spec.clone() }
}

/// `count` f64 values of `frac(sin(i + offset) * 43758.5453)`, as in make.py.
pub(crate) fn wave(count: i64, offset: i64) -> Tensor {
    let position = Tensor::arange(count, (Kind::Double, Device::Cpu)) + offset as f64;
    let value = position.sin() * 43758.5453;
    &value - value.floor()
}

/// The images of make.py; the n-th is brighter by n.
pub(crate) fn images(count: i64, spec: &ModelSpec) -> Tensor {
    let image = &spec.preprocessing;
    let size = [count, image.channels.into(), image.height.into(), image.width.into()];
    let brightness = Tensor::arange(count, (Kind::Double, Device::Cpu)).view([count, 1, 1, 1]);
    let noise = wave(size.iter().product(), 0) * 2.0 - 1.0;
    (noise.view(size) + brightness).to_kind(Kind::Float)
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    };
    !bytes.iter().fold(!0, step)
}

/// A model whose weights follow make.py's formula.
pub(crate) fn golden_model(spec: &ModelSpec) -> Backbone {
    let model = Backbone::initialise(spec, 1, Device::Cpu).unwrap();
    let mut state = model.state_dict().unwrap();
    let shapes: Vec<(String, Vec<i64>)> = state.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
    for (name, tensor) in &mut state {
        *tensor = fill(name, tensor, &shapes);
    }
    model.load_state(&state).unwrap();
    model
}

fn fill(name: &str, tensor: &Tensor, shapes: &[(String, Vec<i64>)]) -> Tensor {
    let (module, field) = name.rsplit_once('.').unwrap();
    let weight_shape = shapes.iter().find(|(other, _)| *other == format!("{module}.weight")).map(|(_, shape)| shape);
    let fan_in = weight_shape.filter(|shape| shape.len() > 1).map(|shape| shape[1..].iter().product::<i64>() as f64);
    let u = wave(tensor.numel() as i64, i64::from(crc32(name.as_bytes()) % 1000)) - 0.5;
    let values = match (fan_in, field) {
        (Some(fan_in), _) => u * (12.0 / fan_in).sqrt(),
        (None, "running_mean") => u / 4.0,
        (None, "running_var") => u + 1.0,
        (None, "weight") => u / 4.0 + 0.5,
        (None, "bias") => u / 2.0,
        (None, _) => u.zeros_like(),
    };
    values.view(tensor.size().as_slice()).to_kind(tensor.kind())
}

pub(crate) fn largest_difference(left: &Tensor, right: &Tensor) -> f64 {
    assert_eq!(left.size(), right.size());
    (left.to_kind(Kind::Double) - right.to_kind(Kind::Double)).abs().max().double_value(&[])
}

pub(crate) fn logits(model: &Backbone, images: &Tensor) -> Tensor {
    let _guard = tch::no_grad_guard();
    model.forward(images, BnMode::Eval).unwrap()
}

/// A file of the data that lies beside the repository, if it is there.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let root = std::env::var_os("UNLEARND_SHARED").map_or(beside, PathBuf::from);
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("SKIPPED: {path} is not below UNLEARND_SHARED or ../shared");
    None
}
