//! Lines through small batches, held to what real work on large ones takes.

use std::path::Path;
use std::sync::Arc;

use rand::Rng;

use super::*;
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::{Method, Scope};
use crate::domain::model::{ModelSpec, Resize};
use crate::ml::activations::PredictTask;
use crate::ml::finetune::{FineTuneInputs, FineTuneTask};
use crate::ml::poison::{Targets, TrainingSet};
use crate::ml::random::{Purpose, stream};
use crate::ml::step::Task;
use crate::ml::testing::{self, Events};

/// Noise of a model's size.
#[derive(Debug)]
struct Noise {
    labels: Vec<u32>,
}

impl ImageSource for Noise {
    fn key(&self) -> &str {
        "noise"
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn read(&self, positions: &[usize], shape: ImageShape, _: Resize) -> Result<ImageBatch> {
        let image = |position: &usize| {
            let mut random = stream(1, Purpose::Split, *position as u64);
            (0..shape.value_count()).map(move |_| random.random_range(0..=255)).collect::<Vec<u8>>()
        };
        let pixels = positions.iter().flat_map(image).collect();
        Ok(ImageBatch { count: positions.len(), shape, pixels: Pixels::Bytes(pixels) })
    }
}

fn model(architecture: &str) -> Backbone {
    let mut spec = ModelSpec { architecture: architecture.into(), ..testing::spec(10) };
    (spec.preprocessing.height, spec.preprocessing.width) = (32, 32);
    Backbone::initialise(&spec, 1, Device::Cpu).unwrap()
}

fn noise(count: usize) -> Arc<dyn ImageSource> {
    Arc::new(Noise { labels: (0..count as u32).map(|position| position % 10).collect() })
}

fn task(model: &Backbone, trainer: &TrainerSpec, folder: &Path) -> FineTuneTask {
    let source = noise(3 * trainer.batch_size as usize);
    let labels = source.labels().to_vec();
    let training = TrainingSet {
        indices: (0..source.len()).collect(),
        targets: Targets::Hard(labels.clone()),
        is_forget: vec![false; labels.len()],
        true_labels: labels,
    };
    FineTuneTask::new(FineTuneInputs {
        parent: model.deep_copy().unwrap(),
        source,
        training,
        method: Method::Train,
        trainer: trainer.clone(),
        checkpoint_folder: folder.to_owned(),
        cache: None,
        baseline_retain_accuracy: None,
    })
    .unwrap()
}

/// The peak of the second optimiser step, when everything that stays is there.
fn training_peak(model: &Backbone, trainer: &TrainerSpec) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let (mut task, mut events) = (task(model, trainer, folder.path()), Events::default());
    task.step(&mut events).unwrap();
    peak_bytes(Device::Cpu, || task.step(&mut events).map(drop)).unwrap().1
}

#[track_caller]
fn close(predicted: u64, found: u64, what: &str) {
    let ratio = predicted as f64 / found as f64;
    println!("{what}: {predicted} predicted, {found} found, {ratio:.3}");
    assert!((0.85..=1.15).contains(&ratio), "{what}: {predicted} predicted, {found} found, {ratio:.3}");
}

#[test]
fn training_takes_what_was_foreseen() {
    for architecture in ["small_cnn", "cifar_resnet20"] {
        let model = model(architecture);
        for scope in [Scope::All, Scope::LastBlock] {
            for batch_norm in [BatchNormMode::Update, BatchNormMode::Frozen] {
                let trainer = TrainerSpec { batch_norm, ..TrainerSpec::for_scope(scope) };
                let footprint = Footprint::of_training(&model, &trainer).unwrap();
                for batch_size in [16, 64, 128] {
                    let found = training_peak(&model, &TrainerSpec { batch_size, ..trainer.clone() });
                    let what = format!("{architecture} {scope:?} {batch_norm:?} {batch_size}");
                    close(footprint.measured(batch_size as usize), found, &what);
                }
            }
        }
    }
}

#[test]
fn prediction_takes_what_was_foreseen() {
    for architecture in ["small_cnn", "cifar_resnet20"] {
        let model = model(architecture);
        let footprint = Footprint::of_inference(&model, Precision::F32).unwrap();
        for count in [16, 64, 128] {
            let mut task = PredictTask::new(&model, noise(3 * count), Precision::F32, None).unwrap();
            let inference = model.inference(Precision::F32).unwrap();
            let pass = || {
                let batch = blank(count, shape(&model.spec().preprocessing));
                let _guard = NoGrad::enter();
                inference.forward(&images_to_tensor(&batch, &model.spec().preprocessing, Device::Cpu)?).map(drop)
            };
            close(
                footprint.measured(count),
                peak_bytes(Device::Cpu, pass).unwrap().1,
                &format!("{architecture} {count}"),
            );
            // Whole batches of the task are of its own size.
            let step = peak_bytes(Device::Cpu, || task.step(&mut Events::default()).map(drop)).unwrap().1;
            let rows = (3 * count).min(crate::ml::activations::BATCH);
            close(footprint.measured(rows), step, &format!("{architecture} step of {rows}"));
        }
    }
}

#[test]
fn explanation_takes_what_was_foreseen() {
    for architecture in ["small_cnn", "cifar_resnet20"] {
        let model = model(architecture);
        let footprint = Footprint::of_explanation(&model, Precision::F32).unwrap();
        for rows in [16, 64, 128] {
            let copy = model.differentiable(Precision::F32).unwrap();
            let image = &model.spec().preprocessing;
            let images = images_to_tensor(&blank(rows, shape(image)), image, Device::Cpu).unwrap();
            let pass = || copy.explain(&images, &vec![0; rows], TargetOutput::Logit).map(drop);
            close(
                footprint.measured(rows),
                peak_bytes(Device::Cpu, pass).unwrap().1,
                &format!("{architecture} {rows}"),
            );
        }
    }
}

#[test]
fn a_line_and_its_inverse_agree() {
    let line = Footprint::through((2, 300), (4, 500));
    assert_eq!(line, Footprint { base: 100.0, per_row: 100.0 });
    assert_eq!((line.measured(10), line.bytes(10)), (1100, 1210));
    for bytes in [0, 109, 1_000, 12_345] {
        let rows = line.rows_within(bytes);
        assert!(rows == 0 || line.bytes(rows) <= bytes, "{bytes}");
        assert!(line.bytes(rows + 2) > bytes, "{bytes}");
    }
}
