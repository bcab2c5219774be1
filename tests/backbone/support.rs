//! Models, images and comparisons that the tests share.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};
use unlearnd::domain::model::{Layout, ModelFormat, ModelSpec, Preprocessing, Resize};
use unlearnd::ml::backbone::{Backbone, BnMode};

pub fn spec(architecture: &str, class_count: u32, channels: u32, size: u32) -> ModelSpec {
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
    ModelSpec { format, architecture: architecture.to_owned(), class_count, class_names: Vec::new(), preprocessing }
}

pub fn torchscript(spec: &ModelSpec) -> ModelSpec {
    ModelSpec { format: ModelFormat::TorchScript, architecture: String::new(), ..spec.clone() }
}

/// `count` values of `frac(sin(i + offset) * 43758.5453)`, as in make.py.
pub fn wave(count: i64, offset: i64) -> Vec<f64> {
    let value = |position: i64| {
        let value = ((position + offset) as f64).sin() * 43758.5453;
        value - value.floor()
    };
    (0..count).map(value).collect()
}

pub fn images(count: i64, spec: &ModelSpec) -> Tensor {
    let image = &spec.preprocessing;
    let size = [count, image.channels.into(), image.height.into(), image.width.into()];
    let values: Vec<f32> = wave(size.iter().product(), 0).into_iter().map(|value| (value * 2.0 - 1.0) as f32).collect();
    Tensor::from_slice(&values).view(size)
}

pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    };
    !bytes.iter().fold(!0, step)
}

/// A model whose weights follow make.py's formula.
pub fn golden_model(spec: &ModelSpec) -> Backbone {
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
    let value = |u: f64| match (fan_in, field) {
        (Some(fan_in), _) => u * (12.0 / fan_in).sqrt(),
        (None, "running_mean") => u / 4.0,
        (None, "running_var") => 1.0 + u,
        (None, "weight") => 0.5 + u / 4.0,
        (None, "bias") => u / 2.0,
        (None, _) => 0.0,
    };
    let offset = i64::from(crc32(name.as_bytes()) % 1000);
    let values: Vec<f64> = wave(tensor.numel() as i64, offset).into_iter().map(|wave| value(wave - 0.5)).collect();
    Tensor::from_slice(&values).view(tensor.size().as_slice()).to_kind(tensor.kind())
}

pub fn largest_difference(left: &Tensor, right: &Tensor) -> f64 {
    assert_eq!(left.size(), right.size());
    (left.to_kind(Kind::Double) - right.to_kind(Kind::Double)).abs().max().double_value(&[])
}

pub fn logits(model: &Backbone, images: &Tensor) -> Tensor {
    let _guard = tch::no_grad_guard();
    model.forward(images, BnMode::Eval).unwrap()
}

/// A file of the data that lies beside the repository, if it is there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let root = std::env::var_os("UNLEARND_SHARED").map_or(beside, PathBuf::from);
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!("SKIPPED: {path} is not below UNLEARND_SHARED or ../shared");
    None
}
