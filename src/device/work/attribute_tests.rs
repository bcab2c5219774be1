//! Attribution calls of several clients on a real device thread, with a model that raises on one kind of image.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::tests::Bench;
use super::{AttributedImage, AttributionCall};
use crate::device::ModelSource;
use crate::domain::ErrorKind;
use crate::domain::attribution::AttributionOptions;
use crate::domain::dataset::{ImageBatch, ImageShape, Pixels};
use crate::domain::model::{Layout, ModelFormat, ModelSpec, Preprocessing, Resize};

const SHAPE: ImageShape = ImageShape { height: 8, width: 8, channels: 1 };

/// Of `tests/golden/hostile`: it fails on images with a white corner.
fn hostile(name: &str) -> ModelSource {
    let preprocessing = Preprocessing {
        height: SHAPE.height,
        width: SHAPE.width,
        channels: SHAPE.channels,
        mean: vec![0.5],
        std: vec![0.5],
        layout: Layout::Nchw,
        resize: Resize::None,
    };
    let spec = ModelSpec {
        format: ModelFormat::TorchScript,
        architecture: String::new(),
        class_count: 3,
        class_names: Vec::new(),
        preprocessing,
        text: None,
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/hostile").join(name);
    ModelSource { version: "m/versions/1".parse().unwrap(), path, spec, sha256: String::new(), base: None }
}

/// An image each; those that are `true` have a white corner.
fn call(model: &ModelSource, client: &str, corners: &[bool]) -> AttributionCall {
    let image = |white: &bool| {
        let mut pixels: Vec<u8> = (0..64).map(|pixel| pixel * 3).collect();
        pixels[0] = if *white { 255 } else { 0 };
        pixels
    };
    let pixels = Pixels::Bytes(corners.iter().flat_map(image).collect());
    AttributionCall {
        model: model.clone(),
        options: AttributionOptions::default(),
        images: ImageBatch { count: corners.len(), shape: SHAPE, pixels },
        targets: vec![Some(1); corners.len()],
        client: client.to_owned(),
    }
}

async fn answers(mut answer: mpsc::Receiver<AttributedImage>) -> Vec<(usize, Result<(), &'static str>)> {
    let mut answers = Vec::new();
    while let Some(AttributedImage { index, outcome }) = answer.recv().await {
        answers.push((index, outcome.map(drop).map_err(|error| error.reason)));
    }
    answers.sort_unstable();
    answers
}

#[tokio::test]
async fn an_image_that_the_model_fails_on_fails_alone() {
    let (bench, model) = (Bench::new(256 << 20), hostile("raises.pt"));
    let ann = bench.cpu().attribute(call(&model, "ann", &[false, true, false])).unwrap();
    let bob = bench.cpu().attribute(call(&model, "bob", &[false, false])).unwrap();
    let (ann, bob) = (answers(ann).await, answers(bob).await);
    assert_eq!(ann, [(0, Ok(())), (1, Err("TORCH_ERROR")), (2, Ok(()))]);
    assert_eq!(bob, [(0, Ok(())), (1, Ok(()))]);
}

#[tokio::test]
async fn running_out_of_memory_is_told_as_such_and_the_model_serves_on() {
    let (bench, model) = (Bench::new(256 << 20), hostile("greedy.pt"));
    let answer = bench.cpu().attribute(call(&model, "ann", &[true, false])).unwrap();
    assert_eq!(answers(answer).await, [(0, Err("OUT_OF_MEMORY")), (1, Ok(()))]);
    let images = |white| call(&model, "ann", &[white]).images;
    let error = bench.cpu().infer(model.clone(), images(true)).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::ResourceExhausted, "OUT_OF_MEMORY"));
    assert_eq!(bench.cpu().infer(model.clone(), images(false)).await.unwrap().values.len(), 3);
}

#[tokio::test]
async fn nothing_is_left_reserved_but_the_model_and_its_copy() {
    let (bench, model) = (Bench::new(256 << 20), hostile("raises.pt"));
    let answer = bench.cpu().attribute(call(&model, "ann", &[false, true])).unwrap();
    answers(answer).await;
    // The last answer leaves within the last step; the session is gone after it.
    let deadline = Instant::now() + Duration::from_secs(30);
    let settled = || {
        let info = bench.cpu().info();
        info.used_bytes == info.models.iter().map(|(_, bytes)| bytes).sum::<u64>()
    };
    while !settled() {
        assert!(Instant::now() < deadline, "{:?}", bench.cpu().info());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    bench.cpu().unload(model.version).await.unwrap();
    assert_eq!(bench.cpu().info().used_bytes, 0);
}
