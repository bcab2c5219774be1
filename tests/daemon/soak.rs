//! A model of 100 MB loaded, explained, made to forget and unloaded, again and again: what the process holds afterwards does not grow.
//!
//! `make soak` runs it (`UNLEARND_SOAK_CYCLES`, 50); the first two cycles fill what is filled once.

use std::time::Instant;

use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::attribute_request::{Input, input};
use unlearnd::pb::v1::job::State;

use crate::support::shapes::{CLASSES, Shapes, csv, poison, preprocessing, source, written};

const CYCLES: usize = 50;
/// The cycle that the last one is held against.
const SETTLED: usize = 3;
const GROWTH: f64 = 1.10;
const SIZE: u32 = 32;

fn unlearning(model: &str) -> pb::UnlearnRequest {
    let trainer = pb::TrainerSpec { epochs: Some(2), batch_size: Some(16), ..Default::default() };
    pb::UnlearnRequest {
        poison: Some(pb::PoisonSpec { model: model.into(), train: source("few-train"), ..poison() }),
        trainer: Some(trainer),
        test: source("few-test"),
        ..Default::default()
    }
}

fn attribution(model: &str) -> pb::AttributeRequest {
    let image = input::Image::Sample(input::Sample { source: source("few-test"), index: 1 });
    let input = Input { image: Some(image), target_class: String::new() };
    pb::AttributeRequest { model: model.into(), inputs: vec![input], ..Default::default() }
}

fn larger() -> Option<pb::Preprocessing> {
    Some(pb::Preprocessing { resize: pb::preprocessing::Resize::Bilinear.into(), ..preprocessing(SIZE) })
}

/// A ResNet-50 with random weights as a file of its own (102 MB).
async fn exported(shapes: &Shapes) -> String {
    let request = pb::CreateModelRequest {
        model_id: "origin".into(),
        architecture: "resnet50".into(),
        class_count: 3,
        preprocessing: larger(),
        ..Default::default()
    };
    shapes.daemon.models().create_model(request).await.unwrap();
    let uri = format!("file://{}/resnet50.safetensors", shapes.root().display());
    let request =
        pb::ExportModelVersionRequest { name: "models/origin".into(), uri: uri.clone(), ..Default::default() };
    let bytes = shapes.daemon.models().export_model_version(request).await.unwrap().into_inner().size_bytes;
    assert!(bytes > 90_000_000, "{bytes}");
    delete(shapes, "models/origin").await;
    uri
}

async fn delete(shapes: &Shapes, model: &str) {
    let request = pb::DeleteModelRequest { name: model.into(), etag: String::new() };
    shapes.daemon.models().delete_model(request).await.unwrap();
}

/// Resident bytes with the model loaded and after it was unloaded.
async fn cycle(shapes: &Shapes, number: usize, uri: &str) -> (u64, u64) {
    let id = format!("cycle-{number}");
    let model = format!("models/{id}");
    let request = pb::LoadModelRequest {
        model_id: id,
        uri: uri.into(),
        architecture: "resnet50".into(),
        class_names: CLASSES.map(str::to_owned).into(),
        preprocessing: larger(),
        ..Default::default()
    };
    shapes.daemon.models().load_model(request).await.unwrap();
    for answer in shapes.attributed(attribution(&model)).await.unwrap() {
        assert!(answer.failure.is_none(), "{answer:?}");
    }
    let job = shapes.unlearn(unlearning(&model)).await.unwrap().name;
    let job = shapes.finished(&job).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    let loaded = shapes.daemon.resident_bytes();
    let freed = shapes.daemon.models().unload_model(pb::UnloadModelRequest { name: model.clone() }).await.unwrap();
    assert!(freed.into_inner().freed_bytes > 90_000_000);
    let unloaded = shapes.daemon.resident_bytes();
    delete(shapes, &model).await;
    (loaded, unloaded)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: `make soak`"]
async fn what_the_process_holds_does_not_grow() {
    let cycles = std::env::var("UNLEARND_SOAK_CYCLES").map_or(CYCLES, |cycles| cycles.parse().expect("a number"));
    let shapes = Shapes::bare().await;
    for (split, count, seed) in [("train", 48, 1), ("test", 24, 2)] {
        let path = written(&shapes, &format!("{split}.csv"), &csv(count, seed));
        shapes.register(&format!("few-{split}"), &path, split).await.unwrap();
    }
    let uri = exported(&shapes).await;
    let mut held = Vec::new();
    println!("cycle  seconds  loaded MB  unloaded MB");
    for number in 1..=cycles {
        let begun = Instant::now();
        let (loaded, unloaded) = Box::pin(cycle(&shapes, number, &uri)).await;
        println!(
            "{number:5}  {:7.1}  {:9}  {:11}",
            begun.elapsed().as_secs_f64(),
            loaded / 1_000_000,
            unloaded / 1_000_000
        );
        held.push(unloaded);
    }
    let (Some(settled), Some(last)) = (held.get(SETTLED - 1), held.last()) else { return };
    assert!(*last as f64 <= *settled as f64 * GROWTH, "{last} bytes after the last cycle, {settled} after the third");
}
