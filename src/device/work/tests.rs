//! Interactive work on a real device thread, with a small built-in architecture.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::device::work::CreateRequest;
use crate::device::{DeviceHandle, DeviceOptions, DeviceSet, ModelSource, Residents};
use crate::domain::ErrorKind;
use crate::domain::dataset::{ImageBatch, ImageShape, Pixels};
use crate::domain::finetune::Precision;
use crate::domain::ids::VersionName;
use crate::domain::model::{Layout, ModelFormat, ModelSpec, Preprocessing, Resize};
use crate::ml::language::testing;

const BUDGET: u64 = 64 << 20;

pub(super) struct Bench {
    devices: DeviceSet,
    directory: TempDir,
}

impl Bench {
    pub(super) fn new(budget: u64) -> Self {
        Self::with(budget, false)
    }

    pub(super) fn with(budget: u64, evict_idle_models: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = DeviceOptions {
            evict_idle_models,
            devices: vec!["cpu".to_owned()],
            cpu_threads: 1,
            memory_budget_bytes: budget,
            cache_directory: directory.path().join("activations"),
            ..DeviceOptions::default()
        };
        Self { devices: DeviceSet::start(&options).unwrap(), directory }
    }

    pub(super) fn cpu(&self) -> DeviceHandle {
        self.devices.get("cpu").unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A language model of the goldens.
    pub(super) fn packaged(&self, name: &str) -> ModelSource {
        let path = self.path(name);
        testing::package(name, &path);
        let version = "m/versions/1".parse().unwrap();
        ModelSource { version, path, spec: testing::spec(), sha256: String::new(), base: None }
    }

    /// A fresh model, saved as version `number`; its classes are for the loader to find.
    async fn create(&self, number: u32) -> ModelSource {
        self.create_from(number, spec(10)).await
    }

    pub(super) async fn create_from(&self, number: u32, spec: ModelSpec) -> ModelSource {
        let path = self.path(&format!("{number}.safetensors"));
        let request = CreateRequest { spec: spec.clone(), seed: u64::from(number), path: path.clone() };
        let created = self.cpu().create(request).await.unwrap();
        assert_eq!(created.size_bytes, std::fs::metadata(&path).unwrap().len());
        let version = format!("m/versions/{number}").parse().unwrap();
        ModelSource { version, path, spec: ModelSpec { class_count: 0, ..spec }, sha256: String::new(), base: None }
    }
}

fn spec(class_count: u32) -> ModelSpec {
    let preprocessing = Preprocessing {
        height: 32,
        width: 32,
        channels: 3,
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
        layout: Layout::Nchw,
        resize: Resize::None,
    };
    ModelSpec {
        format: ModelFormat::Safetensors,
        architecture: "small_cnn".to_owned(),
        class_count,
        class_names: Vec::new(),
        preprocessing,
        text: None,
    }
}

fn images(count: usize) -> ImageBatch {
    let shape = ImageShape { height: 32, width: 32, channels: 3 };
    let pixels = (0..count * shape.value_count()).map(|value| u8::try_from(value * 31 % 251).unwrap()).collect();
    ImageBatch { count, shape, pixels: Pixels::Bytes(pixels) }
}

#[tokio::test]
async fn loading_fills_the_specification_and_unloading_gives_every_byte_back() {
    let bench = Bench::new(BUDGET);
    let source = bench.create(1).await;
    let loaded = bench.cpu().load(source.clone()).await.unwrap();
    assert_eq!(loaded.spec, spec(10));
    assert_eq!(bench.cpu().load(source.clone()).await.unwrap(), loaded, "a resident version stays");
    let info = bench.cpu().info();
    assert_eq!(info.models, [(source.version.clone(), loaded.resident_bytes)]);
    assert_eq!((info.used_bytes, info.budget_bytes), (loaded.resident_bytes, BUDGET));

    let unloaded = bench.cpu().unload(source.version.clone()).await.unwrap();
    assert_eq!(unloaded.freed_bytes, loaded.resident_bytes);
    assert_eq!(bench.cpu().info().used_bytes, 0);
    assert_eq!(bench.cpu().unload(source.version).await.unwrap().freed_bytes, 0);
}

#[tokio::test]
async fn a_version_in_use_is_not_freed() {
    let bench = Bench::new(BUDGET);
    let source = bench.create(1).await;
    let unload_leased = move |residents: &mut Residents| {
        let _lease = residents.lease(&source)?;
        residents.unload(&source.version)
    };
    let error = bench.cpu().call(unload_leased).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::FailedPrecondition, "MODEL_IN_USE"));
}

#[tokio::test]
async fn what_cannot_fit_is_refused_before_it_is_read() {
    let bench = Bench::new(1 << 10);
    let source = bench.create(1).await;
    std::fs::write(&source.path, vec![0_u8; 4096]).unwrap();
    let error = bench.cpu().load(source).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::ResourceExhausted, "DEVICE_MEMORY"));
    assert!(!error.message.contains(bench.directory.path().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn idle_versions_make_room_but_loaded_ones_stay() {
    let bench = Bench::new(BUDGET);
    let (first, second) = (bench.create(1).await, bench.create(2).await);
    bench.cpu().load(first.clone()).await.unwrap();
    bench.cpu().infer(second.clone(), images(1)).await.unwrap();
    let reserve = async |bytes| bench.cpu().call(move |residents| residents.reserve("training", bytes).map(drop)).await;
    assert_eq!(bench.cpu().info().models.len(), 2);
    let free = BUDGET - bench.cpu().info().used_bytes;
    reserve(free + 1).await.unwrap();
    let left: Vec<_> = bench.cpu().info().models.into_iter().map(|(version, _)| version).collect();
    assert_eq!(left, [first.version]);
    assert_eq!(reserve(BUDGET).await.unwrap_err().reason, "DEVICE_MEMORY");
}

fn resident(bench: &Bench) -> Vec<VersionName> {
    bench.cpu().info().models.into_iter().map(|(version, _)| version).collect()
}

/// Room for one version, and for its file while it is loaded.
fn room_for_one(source: &ModelSource) -> u64 {
    std::fs::metadata(&source.path).unwrap().len() * 5 / 2
}

#[tokio::test]
async fn a_loaded_version_stays_and_the_refusal_names_the_setting_that_would_let_it_go() {
    let maker = Bench::new(BUDGET);
    let (first, second) = (maker.create(1).await, maker.create(2).await);
    let bench = Bench::new(room_for_one(&first));
    bench.cpu().load(first.clone()).await.unwrap();
    let error = bench.cpu().load(second).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::ResourceExhausted, "DEVICE_MEMORY"));
    assert!(error.message.contains("evict_idle_models"), "{error}");
    assert_eq!(resident(&bench), [first.version]);
}

#[tokio::test]
async fn an_idle_loaded_version_makes_room_when_it_may_and_comes_back_on_use() {
    let maker = Bench::new(BUDGET);
    let (first, second) = (maker.create(1).await, maker.create(2).await);
    let bench = Bench::with(room_for_one(&first), true);
    bench.cpu().load(first.clone()).await.unwrap();
    bench.cpu().load(second.clone()).await.unwrap();
    assert_eq!(resident(&bench), std::slice::from_ref(&second.version));
    bench.cpu().export(first.clone(), ModelFormat::Safetensors, bench.path("again")).await.unwrap();
    assert_eq!(resident(&bench), std::slice::from_ref(&first.version));
    let keeps_one_busy = move |residents: &mut Residents| {
        let _lease = residents.lease(&first)?;
        residents.lease(&second).map(drop)
    };
    let error = bench.cpu().call(keeps_one_busy).await.unwrap_err();
    assert_eq!(error.reason, "DEVICE_MEMORY", "a version in use is never freed");
}

#[tokio::test]
async fn an_idle_copy_for_attribution_goes_before_a_version() {
    let bench = Bench::new(BUDGET);
    let source = bench.create(1).await;
    bench.cpu().load(source.clone()).await.unwrap();
    let copied = source.clone();
    bench.cpu().call(move |residents| residents.differentiable(&copied, Precision::F32).map(drop)).await.unwrap();
    let with_copy = bench.cpu().info();
    assert!(with_copy.available_bytes > BUDGET - with_copy.used_bytes);
    let all = with_copy.available_bytes;
    bench.cpu().call(move |residents| residents.reserve("training", all).map(drop)).await.unwrap();
    assert_eq!(resident(&bench), [source.version]);
    assert!(bench.cpu().info().used_bytes < with_copy.used_bytes);
}

#[tokio::test]
async fn changed_and_missing_weights_are_data_loss() {
    let bench = Bench::new(BUDGET);
    let source = ModelSource { sha256: "00".repeat(32), ..bench.create(1).await };
    let error = bench.cpu().load(source.clone()).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (ErrorKind::DataLoss, "WEIGHTS_CORRUPT"));
    std::fs::remove_file(&source.path).unwrap();
    assert_eq!(bench.cpu().load(source).await.unwrap_err().reason, "WEIGHTS_UNREADABLE");
    assert_eq!(bench.cpu().info().used_bytes, 0);
}

#[tokio::test]
async fn an_exported_version_answers_as_the_original() {
    let bench = Bench::new(BUDGET);
    let source = bench.create(1).await;
    let path = bench.path("exported.safetensors");
    let exported = bench.cpu().export(source.clone(), ModelFormat::Safetensors, path.clone()).await.unwrap();
    assert_eq!(exported.size_bytes, std::fs::metadata(&path).unwrap().len());

    let copy = ModelSource { version: "m/versions/2".parse().unwrap(), path, ..source.clone() };
    let expected = bench.cpu().infer(source, images(3)).await.unwrap();
    assert_eq!((expected.class_count, expected.values.len()), (10, 30));
    assert_eq!(bench.cpu().infer(copy, images(3)).await.unwrap(), expected);
}

#[tokio::test]
async fn shutting_down_ends_every_thread_and_refuses_work() {
    let bench = Bench::new(BUDGET);
    let source = bench.create(1).await;
    let devices = bench.devices.clone();
    let ended = tokio::task::spawn_blocking(move || devices.shutdown());
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap().unwrap();
    assert_eq!(bench.cpu().load(source).await.unwrap_err().reason, "DEVICE_STOPPING");
    assert!(!bench.cpu().info().healthy);
    bench.devices.shutdown();
}

#[tokio::test]
async fn unknown_devices_are_named() {
    let bench = Bench::new(BUDGET);
    assert_eq!(bench.devices.get("tpu").unwrap_err().reason, "INVALID_DEVICE");
    assert_eq!(bench.devices.get("cuda:99").unwrap_err().reason, "UNKNOWN_DEVICE");
    assert_eq!(bench.devices.default_name(), "cpu");
    let options = DeviceOptions { devices: vec!["cuda:99".to_owned()], ..DeviceOptions::default() };
    assert_eq!(DeviceSet::start(&options).unwrap_err().reason, "UNKNOWN_DEVICE");
}
