//! The engine as its callers see it, on the CPU.

mod jobs;
mod life;
mod models;

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::domain::dataset::{ImageBatch, ImageShape, Pixels};
use crate::domain::model::{Layout, Preprocessing, Resize};

async fn engine(folder: &Path) -> Engine {
    Engine::start(options(folder)).await.unwrap()
}

fn options(folder: &Path) -> EngineOptions {
    EngineOptions { devices: vec!["cpu".into()], shutdown_grace: Duration::from_secs(5), ..EngineOptions::new(folder) }
}

fn small_cnn(id: &str) -> CreateModel {
    let preprocessing = Preprocessing {
        height: 8,
        width: 8,
        channels: 3,
        mean: vec![],
        std: vec![],
        layout: Layout::Nchw,
        resize: Resize::None,
    };
    let spec = NewModelSpec {
        format: None,
        architecture: "small_cnn".into(),
        class_count: 3,
        class_names: vec![],
        preprocessing: Some(preprocessing),
    };
    CreateModel { id: id.parse().unwrap(), spec, seed: 1, device: String::new(), request_id: Some("r1".into()) }
}

fn images(count: usize) -> ImageBatch {
    let shape = ImageShape { height: 8, width: 8, channels: 3 };
    let pixels = (0..count * shape.value_count()).map(|value| (value * 7 % 251) as u8).collect();
    ImageBatch { count, shape, pixels: Pixels::Bytes(pixels) }
}
