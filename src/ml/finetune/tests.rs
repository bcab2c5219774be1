//! Promises of training, on a toy problem.

use std::path::Path;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::*;
use crate::domain::dataset::{DataSource, ImageSource, Selector};
use crate::domain::error::ErrorKind;
use crate::domain::finetune::{
    Augmentation, BatchNormMode, EarlyStop, Method, Optimizer, Precision, Scope, TrainerSpec,
};
use crate::domain::job::{EventBody, Metric};
use crate::domain::poison::{
    DataMix, DonorChoice, DonorRule, LabelStrategy, PoisonImageMode, PoisonSpec, SampleSelection, SelectionOrder,
};
use crate::ml::activations::{ActivationCache, PredictTask};
use crate::ml::backbone::Backbone;
use crate::ml::evaluation::Predictions;
use crate::ml::poison::{PoisonInputs, TrainingSet, plan};
use crate::ml::step::{Outcome, Task};
use crate::ml::testing::{Events, ToySource, complete, spec};

const CLASSES: u32 = 4;

fn source() -> Arc<dyn ImageSource> {
    Arc::new(ToySource::new(240, CLASSES, 1))
}

fn initial() -> Backbone {
    Backbone::initialise(&spec(CLASSES), 5, Device::Cpu).unwrap()
}

fn poison_spec(labels: LabelStrategy) -> PoisonSpec {
    PoisonSpec {
        model: "models/m".parse().unwrap(),
        train: DataSource { dataset: "datasets/d".parse().unwrap(), split: String::new() },
        forget: Selector::default(),
        labels,
        donor: DonorChoice { rule: DonorRule::Explicit, class: "3".into(), ..DonorChoice::default() },
        selection: SampleSelection::All,
        order: SelectionOrder::Random,
        image_mode: PoisonImageMode::None,
        concept_bank: None,
        top_concepts: 0,
        mix: DataMix::Full,
        allow_no_retain: false,
        seed: 42,
    }
}

/// Class 1 is forgotten, except by `Train`.
fn training(method: Method, labels: LabelStrategy, logits: Option<&Predictions>) -> TrainingSet {
    let source = source();
    let is_forgotten = |position: &usize| method != Method::Train && source.labels()[*position] == 1;
    let forget: Vec<usize> = (0..source.len()).filter(is_forgotten).collect();
    let forget_logits = logits.map(|predictions| {
        forget.iter().flat_map(|row| &predictions.logits[row * 4..row * 4 + 4]).copied().collect::<Vec<f32>>()
    });
    let inputs = PoisonInputs {
        spec: &poison_spec(labels),
        method,
        labels: source.labels(),
        class_count: CLASSES,
        class_names: &[],
        forget: &forget,
        forget_logits: forget_logits.as_deref(),
        concepts: None,
        batch_size: 32,
    };
    plan(&inputs).unwrap().1
}

fn trainer(scope: Scope) -> TrainerSpec {
    TrainerSpec { learning_rate: 0.02, batch_size: 32, epochs: 6, seed: 3, ..TrainerSpec::for_scope(scope) }
}

fn inputs(parent: Backbone, method: Method, trainer: TrainerSpec, folder: &Path) -> FineTuneInputs {
    FineTuneInputs {
        parent,
        source: source(),
        training: training(method, LabelStrategy::Targeted, None),
        method,
        trainer,
        checkpoint_folder: folder.join("checkpoints"),
        cache: None,
        baseline_retain_accuracy: None,
    }
}

fn run(inputs: FineTuneInputs) -> (FineTuned, Events) {
    let mut events = Events::default();
    let tuned = complete(&mut FineTuneTask::new(inputs).unwrap(), &mut events).unwrap();
    (tuned, events)
}

fn train(method: Method, parent: Backbone, trainer: TrainerSpec) -> FineTuned {
    let folder = tempfile::tempdir().unwrap();
    run(inputs(parent, method, trainer, folder.path())).0
}

/// A model that knows all four classes.
fn trained() -> Backbone {
    let tuned = train(Method::Train, initial(), trainer(Scope::All));
    assert!(metric(&tuned, "retain.accuracy") > 0.95, "{:?}", tuned.final_metrics);
    tuned.backbone
}

fn metric(tuned: &FineTuned, name: &str) -> f64 {
    tuned.final_metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}")).value
}

fn predict(backbone: &Backbone, cache: Option<&ActivationCache>) -> Predictions {
    let mut task = PredictTask::new(backbone, source(), Precision::F32, cache).unwrap();
    complete(&mut task, &mut Events::default()).unwrap()
}

fn same_weights(left: &Backbone, right: &Backbone) -> bool {
    let (left, right) = (left.state_dict().unwrap(), right.state_dict().unwrap());
    left.iter().zip(&right).all(|(left, right)| left.0 == right.0 && left.1 == right.1)
}

#[test]
fn poisoning_any_scope_forgets_one_class_and_keeps_the_others() {
    let parent = trained();
    for scope in [Scope::Head, Scope::LastBlock, Scope::All] {
        let trainer = TrainerSpec { learning_rate: 0.05, ..trainer(scope) };
        let tuned = train(Method::Poison, parent.deep_copy().unwrap(), trainer);
        assert!(metric(&tuned, "forget.accuracy") < 0.05, "{scope:?}: {:?}", tuned.final_metrics);
        assert!(metric(&tuned, "retain.accuracy") > 0.9, "{scope:?}: {:?}", tuned.final_metrics);
    }
}

#[test]
fn every_method_trains() {
    let parent = trained();
    for method in [Method::Retrain, Method::Finetune, Method::RandomLabel, Method::NegGradPlus] {
        for scope in [Scope::Head, Scope::All] {
            let start = if method == Method::Retrain { initial() } else { parent.deep_copy().unwrap() };
            let tuned = train(method, start, TrainerSpec { epochs: 4, ..trainer(scope) });
            assert!(!same_weights(&tuned.backbone, &parent));
            assert!(metric(&tuned, "retain.loss").is_finite());
        }
    }
}

#[test]
fn soft_targets_and_second_best_forget_too() {
    let parent = trained();
    let predictions = predict(&parent, None);
    for labels in [LabelStrategy::SoftReweight, LabelStrategy::PerSampleSecondBest, LabelStrategy::Random] {
        for scope in [Scope::Head, Scope::All] {
            let folder = tempfile::tempdir().unwrap();
            let trainer = TrainerSpec { learning_rate: 0.05, epochs: 10, ..trainer(scope) };
            let mut inputs = inputs(parent.deep_copy().unwrap(), Method::Poison, trainer, folder.path());
            inputs.training = training(Method::Poison, labels, Some(&predictions));
            let (tuned, _) = run(inputs);
            assert!(metric(&tuned, "forget.accuracy") < 0.1, "{labels:?}, {scope:?}: {:?}", tuned.final_metrics);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_weights_and_another_seed_others() {
    let augmentation = Augmentation { crop_padding: 1, horizontal_flip: true };
    for scope in [Scope::Head, Scope::All] {
        let trainer = TrainerSpec { augmentation, epochs: 2, ..trainer(scope) };
        let tuned = |seed| train(Method::Train, initial(), TrainerSpec { seed, ..trainer.clone() }).backbone;
        assert!(same_weights(&tuned(1), &tuned(1)));
        assert!(!same_weights(&tuned(1), &tuned(2)));
    }
}

#[test]
fn a_resumed_run_yields_identical_weights() {
    for scope in [Scope::Head, Scope::All] {
        for stop_after in [3, 8, 13] {
            let trainer = TrainerSpec { checkpoint_every_steps: 3, epochs: 3, ..trainer(scope) };
            let whole = train(Method::Poison, initial(), trainer.clone());
            let folder = tempfile::tempdir().unwrap();
            let again = || inputs(initial(), Method::Poison, trainer.clone(), folder.path());
            let mut first = FineTuneTask::new(again()).unwrap();
            while first.position() != position("train", stop_after, whole.steps) {
                assert!(matches!(first.step(&mut Events::default()).unwrap(), Outcome::Continue));
            }
            drop(first);
            let mut second = FineTuneTask::resume(again()).unwrap();
            let mut events = Events::default();
            let resumed = complete(&mut second, &mut events).unwrap();
            assert!(same_weights(&whole.backbone, &resumed.backbone), "{scope:?} stopped after {stop_after}");
            assert_eq!(whole.final_metrics, resumed.final_metrics);
            assert_eq!(whole.steps, resumed.steps);
        }
    }
}

fn position(stage: &'static str, step: u64, total: u64) -> crate::ml::step::Position {
    crate::ml::step::Position { stage, step, total }
}

#[test]
fn a_checkpoint_of_other_settings_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = TrainerSpec { checkpoint_every_steps: 1, epochs: 1, ..trainer(Scope::Head) };
    run(inputs(initial(), Method::Poison, trainer.clone(), folder.path()));
    let other = TrainerSpec { learning_rate: 0.5, ..trainer };
    let error = FineTuneTask::resume(inputs(initial(), Method::Poison, other, folder.path())).unwrap_err();
    assert_eq!(error.reason, "CHECKPOINT_MISMATCH");
}

#[test]
fn divergence_ends_the_run_and_names_the_step() {
    for scope in [Scope::Head, Scope::All] {
        let folder = tempfile::tempdir().unwrap();
        let trainer = TrainerSpec { learning_rate: 1e38, epochs: 5, ..trainer(scope) };
        let mut task = FineTuneTask::new(inputs(initial(), Method::Poison, trainer, folder.path())).unwrap();
        let error = complete(&mut task, &mut Events::default()).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::Aborted, "NON_FINITE_LOSS"));
        assert!(error.message.contains("at step"), "{}", error.message);
    }
}

#[test]
fn early_stopping_ends_when_forgotten_and_collapse_is_flagged() {
    let parent = trained();
    let early_stop = Some(EarlyStop { max_forget_accuracy: 0.05, max_retain_drop: 0.1 });
    for scope in [Scope::Head, Scope::All] {
        let trainer = TrainerSpec { early_stop, epochs: 50, learning_rate: 0.05, ..trainer(scope) };
        let tuned = train(Method::Poison, parent.deep_copy().unwrap(), trainer);
        assert!(tuned.early_stopped && tuned.epochs < 50, "{scope:?}: {} epochs", tuned.epochs);
        assert!(tuned.flags.is_empty());
    }
    let hopeless = TrainerSpec { epochs: 1, min_retain_accuracy: 0.9, learning_rate: 1e-9, ..trainer(Scope::Head) };
    assert_eq!(train(Method::Poison, initial(), hopeless).flags, [UTILITY_COLLAPSE]);
}

#[test]
fn max_steps_ends_in_the_middle_of_an_epoch() {
    let tuned = train(Method::Train, initial(), TrainerSpec { max_steps: 10, ..trainer(Scope::All) });
    assert_eq!((tuned.steps, tuned.epochs), (10, 2));
}

#[test]
fn the_closed_form_gradient_is_the_one_of_autograd() {
    // Augmentation that cannot do anything sends the head through images and autograd.
    let on_images = |augmentation| {
        let trainer = TrainerSpec { augmentation, epochs: 2, ..trainer(Scope::Head) };
        train(Method::NegGradPlus, initial(), trainer).backbone
    };
    let closed = on_images(Augmentation::default());
    let folder = tempfile::tempdir().unwrap();
    let mut autograd =
        inputs(initial(), Method::NegGradPlus, TrainerSpec { epochs: 2, ..trainer(Scope::Head) }, folder.path());
    autograd.trainer.batch_norm = BatchNormMode::Frozen;
    let autograd = by_autograd(autograd);
    for ((name, left), (_, right)) in closed.state_dict().unwrap().iter().zip(autograd.state_dict().unwrap()) {
        let distance = (left - right).abs().max().double_value(&[]);
        assert!(distance < 1e-5, "{name}: {distance}");
    }
}

/// The same run with every step differentiated by libtorch, written out plainly.
fn by_autograd(inputs: FineTuneInputs) -> Backbone {
    let backbone = inputs.parent;
    let order = super::order::DataOrder::new(&inputs.training, inputs.method, 32, false, inputs.trainer.seed);
    let parameters = backbone.trainable(Scope::Head).unwrap();
    let mut optimizer = crate::ml::optim::Optimizer::new(inputs.trainer.optimizer, 0.0, parameters).unwrap();
    let images = inputs.source.read(&inputs.training.indices, crate::ml::testing::SHAPE, Default::default()).unwrap();
    let images =
        crate::ml::torch::images_to_tensor(&images, &crate::ml::testing::preprocessing(), Device::Cpu).unwrap();
    let labels: Vec<i64> = inputs.training.true_labels.iter().map(|&label| i64::from(label)).collect();
    let labels = Tensor::from_slice(&labels);
    for number in 0..2 {
        let epoch = order.epoch(number);
        for &batch in &epoch.batches {
            let rows: Vec<i64> = epoch.rows_of(batch).iter().map(|&row| row as i64).collect();
            let retain = rows.iter().filter(|&&row| !inputs.training.is_forget[row as usize]).count() as i64;
            let rows = Tensor::from_slice(&rows);
            let mode = crate::ml::backbone::BnMode::Eval;
            let logits = backbone.forward_scoped(Scope::Head, &images.index_select(0, &rows), mode).unwrap();
            let labels = labels.index_select(0, &rows);
            let part = |from: i64, count: i64| {
                logits.narrow(0, from, count).cross_entropy_for_logits(&labels.narrow(0, from, count))
            };
            let forget = rows.size()[0] - retain;
            let loss = part(0, retain) * 0.95 - part(retain, forget) * 0.05;
            let gradients = Tensor::run_backward(&[loss], optimizer.parameters(), false, false);
            optimizer.step(&gradients, inputs.trainer.learning_rate).unwrap();
        }
    }
    backbone
}

#[test]
fn frozen_statistics_stay_updated_ones_move_and_recalibrated_ones_fit_the_data() {
    let parent = trained();
    let statistics = |backbone: &Backbone| {
        let buffers = backbone.named_buffers();
        Tensor::cat(
            &buffers.iter().map(|(_, buffer)| buffer.to_kind(Kind::Float).flatten(0, -1)).collect::<Vec<_>>(),
            0,
        )
    };
    let after = |batch_norm| {
        let trainer = TrainerSpec { batch_norm, epochs: 1, ..trainer(Scope::All) };
        statistics(&train(Method::Poison, parent.deep_copy().unwrap(), trainer).backbone)
    };
    let before = statistics(&parent);
    assert!(before == after(BatchNormMode::Frozen));
    assert!(before != after(BatchNormMode::Update));
    assert!(before != after(BatchNormMode::RecalibrateOnRetain));
}

#[test]
fn bf16_and_adamw_train_as_well() {
    let supported = crate::ml::torch::check_precision(Precision::Bf16, Device::Cpu).is_ok();
    if !supported {
        eprintln!("SKIPPED in part: this processor has no bf16, AdamW is tested in f32");
    }
    let optimizer = Optimizer::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    let trainer = TrainerSpec {
        optimizer,
        precision: if supported { Precision::Bf16 } else { Precision::F32 },
        learning_rate: 0.01,
        clip_norm: 5.0,
        ..trainer(Scope::All)
    };
    let tuned = train(Method::Train, initial(), trainer);
    assert!(metric(&tuned, "retain.accuracy") > 0.9, "{:?}", tuned.final_metrics);
    assert!(tuned.backbone.named_parameters().iter().all(|(_, value)| value.kind() == Kind::Float));
}

#[test]
fn events_tell_losses_metrics_and_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = TrainerSpec { checkpoint_every_steps: 4, epochs: 2, ..trainer(Scope::Head) };
    let (tuned, events) = run(inputs(initial(), Method::Poison, trainer, folder.path()));
    let metrics: Vec<&str> =
        events.0.iter().filter_map(|event| as_metric(event).map(|metric| metric.name.as_str())).collect();
    let count = |name| metrics.iter().filter(|&&found| found == name).count();
    let checkpoints = events.0.iter().filter(|event| matches!(event, EventBody::Checkpoint(_))).count();
    assert_eq!(tuned.steps, 16);
    assert_eq!((count("forget.accuracy"), count("retain.loss"), count("learning_rate"), checkpoints), (2, 2, 2, 4));
    assert!(count("train.loss") >= 2);
    assert_eq!(std::fs::read_dir(folder.path().join("checkpoints")).unwrap().count(), 4);
}

fn as_metric(event: &EventBody) -> Option<&Metric> {
    if let EventBody::Metric(metric) = event { Some(metric) } else { None }
}

#[test]
fn predictions_are_the_same_with_and_without_a_cache() {
    let directory = tempfile::tempdir().unwrap();
    let cache = ActivationCache::new(directory.path(), 1 << 20).unwrap();
    let backbone = initial();
    let plain = predict(&backbone, None);
    let cold = predict(&backbone, Some(&cache));
    assert!(cache.used_bytes() > 0);
    let warm = predict(&backbone, Some(&cache));
    assert_eq!(plain.logits, cold.logits);
    assert_eq!(cold.logits, warm.logits);
    assert_eq!((plain.len(), plain.class_count), (240, 4));
}
