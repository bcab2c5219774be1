//! The engine as its callers see it, on the CPU.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::domain::dataset::{DataSource, ImageBatch, ImageShape, Pixels, Selector};
use crate::domain::evaluation::EvaluationSpec;
use crate::domain::finetune::Precision;
use crate::domain::job::{EventBody, JobSpec, JobState};
use crate::domain::model::{Layout, Preprocessing, Resize};
use crate::storage::store::{Guard, Store};

async fn engine(folder: &Path) -> Engine {
    Engine::start(options(folder)).await.unwrap()
}

fn options(folder: &Path) -> EngineOptions {
    EngineOptions { devices: vec!["cpu".into()], shutdown_grace: Duration::from_secs(5), ..EngineOptions::new(folder) }
}

fn evaluation() -> JobSpec {
    JobSpec::Evaluate(EvaluationSpec {
        model: "m".parse().unwrap(),
        train: None,
        test: DataSource { dataset: "d".parse().unwrap(), split: String::new() },
        forget: Selector::default(),
        reference: None,
        precision: Precision::F32,
        seed: 0,
        text: None,
    })
}

#[tokio::test]
async fn a_data_directory_belongs_to_one_engine_until_it_has_shut_down() {
    let folder = tempfile::tempdir().unwrap();
    let first = engine(folder.path()).await;
    assert!(first.is_ready());
    let refused = Engine::start(options(folder.path())).await.unwrap_err();
    assert_eq!(refused.reason, "DATA_DIRECTORY_IN_USE");
    first.shutdown().await;
    assert!(!first.is_ready());
    let second = engine(folder.path()).await;
    second.shutdown().await;
    assert_eq!(second.submit(evaluation(), None).await.unwrap_err().reason, "NOT_READY");
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path()).await;
    let error = engine.submit(evaluation(), Some("r".into())).await.unwrap_err();
    assert_eq!(error.resource, Some(("model".into(), "models/m".into())));
    assert_eq!(engine.get_job(&"j".parse().unwrap()).await.unwrap_err().reason, "RESOURCE_NOT_FOUND");
    assert_eq!(engine.list_models(&PageRequest::default()).await.unwrap().items, []);
    assert_eq!(engine.server_info().await.unwrap().queued_jobs, 0);
    assert_eq!(engine.devices().await.unwrap()[0].name, "cpu");
    engine.shutdown().await;
}

#[tokio::test]
async fn unfinished_jobs_are_found_again_and_a_cancelled_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).await.unwrap();
    let id = "j".parse().unwrap();
    store.insert_job(id, evaluation(), None).await.unwrap();
    let id = "j".parse().unwrap();
    let running = |state| vec![EventBody::State { state, attempt: 1, error: None }];
    store.append_events(&id, Guard::Attempt(1), running(JobState::Running)).await.unwrap();
    store.append_events(&id, Guard::Attempt(1), running(JobState::Cancelling)).await.unwrap();
    store.close().await;
    let engine = engine(folder.path()).await;
    let job = engine.wait_job(&id, Duration::from_secs(5)).await.unwrap();
    assert_eq!((job.state, job.error.unwrap().code), (JobState::Cancelled, 1));
    engine.delete_job(&id).await.unwrap();
    engine.shutdown().await;
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

#[tokio::test]
async fn a_model_is_made_once_and_answers_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = engine(folder.path()).await;
    let made = first.create_model(small_cnn("m")).await.unwrap();
    assert_eq!((made.state, made.version_count, made.served.name.number), (ModelState::Loaded, 1, 1));
    assert_eq!(first.create_model(small_cnn("m")).await.unwrap(), made);
    assert_eq!(first.create_model(small_cnn("n")).await.unwrap_err().reason, "REQUEST_ID_REUSED");
    let ask = |engine: Engine| async move {
        engine.infer(InferImages { model: "m".parse().unwrap(), images: images(4) }).await.unwrap().logits
    };
    let before = ask(first.clone()).await;
    assert_eq!(before.len(), 12);
    first.shutdown().await;
    let second = engine(folder.path()).await;
    assert_eq!(second.get_model(&made.record.id).await.unwrap().state, ModelState::Loaded);
    assert_eq!(ask(second.clone()).await, before);
    second.shutdown().await;
}

#[tokio::test]
async fn an_unloaded_model_comes_back_and_a_deleted_one_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path()).await;
    let made = engine.create_model(small_cnn("m")).await.unwrap();
    let id = made.record.id;
    assert!(made.resident_bytes > 0);
    assert_eq!(engine.unload_model(&id).await.unwrap().freed_bytes, made.resident_bytes);
    assert_eq!(engine.get_model(&id).await.unwrap().state, ModelState::Unloaded);
    let load = LoadModel { id: id.clone(), uri: None, spec: None, device: String::new(), request_id: None };
    assert_eq!(engine.load_model(load).await.unwrap().state, ModelState::Loaded);
    assert_eq!(engine.delete_version(&made.served.name, "").await.unwrap_err().reason, "VERSION_SERVED");
    assert_eq!(engine.delete_model(&id, "\"0\"").await.unwrap_err().reason, "ETAG_MISMATCH");
    engine.delete_model(&id, "").await.unwrap();
    assert_eq!(engine.get_model(&id).await.unwrap_err().reason, "RESOURCE_NOT_FOUND");
    assert!(!folder.path().join("models/m").exists());
    engine.create_model(small_cnn("m")).await.unwrap();
    engine.shutdown().await;
}

#[tokio::test]
async fn exports_stay_inside_the_roots_and_overwrite_only_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    let options = EngineOptions { roots: vec![root.path().into()], ..options(folder.path()) };
    let engine = Engine::start(options).await.unwrap();
    let made = engine.create_model(small_cnn("m")).await.unwrap();
    let model = "m".parse().unwrap();
    let export = |uri: Option<&str>, overwrite| engine.export_version(&model, None, uri.map(str::to_owned), overwrite);
    let exported = export(Some("copy.safetensors"), false).await.unwrap();
    assert_eq!((exported.sha256, exported.size_bytes), (made.served.sha256.clone(), made.served.size_bytes));
    assert_eq!(export(Some("copy.safetensors"), false).await.unwrap_err().reason, "FILE_EXISTS");
    export(Some("copy.safetensors"), true).await.unwrap();
    assert_eq!(export(Some("/etc/copy"), true).await.unwrap_err().reason, "URI_OUTSIDE_ROOTS");
    assert!(export(None, false).await.unwrap().uri.ends_with("exports/m-1.safetensors"));
    let spec = NewModelSpec { format: None, ..small_cnn("n").spec };
    let uri = Some("copy.safetensors".to_owned());
    let load = LoadModel { id: "n".parse().unwrap(), uri, spec: Some(spec), device: String::new(), request_id: None };
    assert_eq!(engine.load_model(load).await.unwrap().served.sha256, made.served.sha256);
    engine.shutdown().await;
}
