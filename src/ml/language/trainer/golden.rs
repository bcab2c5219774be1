//! Ten steps against peft and `torch.optim.AdamW` (`tests/golden/lora/make.py`), and schedules against transformers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::rate::Rate;
use super::*;
use crate::domain::job::EventBody;
use crate::domain::text_training::{Objective, RetainLoss, TextSchedule, TextTrainerSpec, TrainedParameters};
use crate::ml::language::lora::{AdapterFiles, LoadedAdapter};
use crate::ml::language::testing::weights;
use crate::ml::language::{LanguageConfig, LanguageModel};
use crate::ml::testing::{Events, complete};

const STEPS: u32 = 10;

pub(super) fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lora").join(name)
}

fn tensors() -> HashMap<String, Tensor> {
    Tensor::read_safetensors(golden("golden.safetensors")).unwrap().into_iter().collect()
}

fn values() -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden("golden.json")).unwrap()).unwrap()
}

fn curve(name: &str, figure: &str) -> Vec<f64> {
    serde_json::from_value(values()[name][figure].clone()).unwrap()
}

pub(super) fn model(name: &str) -> Rc<LanguageModel> {
    let config = std::fs::read_to_string(golden(name).join("config.json")).unwrap();
    let weights = weights(&golden(name));
    Rc::new(LanguageModel::new(LanguageConfig::read(&config).unwrap(), weights, Kind::Float, Device::Cpu).unwrap())
}

fn load(name: &str, model: &LanguageModel) -> LoadedAdapter {
    let (layers, head) = (model.config().adaptable_layers(), model.config().head_tensors());
    AdapterFiles::read(&golden(name), u64::MAX).unwrap().load(&layers, &head, Device::Cpu).unwrap()
}

/// The eight examples of the script.
pub(super) fn samples() -> Vec<TextSample> {
    let tensors = tensors();
    let row = |name: &str, row: i64| Vec::<i64>::try_from(tensors[name].get(row)).unwrap();
    let sample = |at: i64| {
        let length = row("mask", at).iter().sum::<i64>() as usize;
        let tokens = row("tokens", at)[..length].iter().map(|&token| token as u32).collect();
        let labelled = row("labels", at)[..length].iter().map(|&label| label >= 0).collect();
        TextSample { tokens, target: Target::Labelled(labelled) }
    };
    (0..8).map(sample).collect()
}

/// All examples in every step, as in the script.
fn trainer(objective: Objective, batch_size: u32, accumulation: u32) -> TextTrainerSpec {
    TextTrainerSpec {
        objective,
        batch_size,
        accumulation,
        learning_rate: 1e-2,
        warmup_ratio: 0.2,
        epochs: STEPS,
        checkpoint_every_steps: 0,
        ..TextTrainerSpec::default()
    }
}

fn train(
    base: &str,
    start: &str,
    forget: Vec<TextSample>,
    retain: Vec<TextSample>,
    trainer: TextTrainerSpec,
) -> (TextTuned, Vec<f64>) {
    let folder = tempfile::tempdir().unwrap();
    let model = model(base);
    let LoadedAdapter { adapter, spec, task: _ } = load(start, &model);
    let trainer = TextTrainerSpec { parameters: TrainedParameters::Adapter(spec), ..trainer };
    let inputs = inputs(model, forget, retain, trainer, folder.path());
    let mut events = Events::default();
    let mut task = TextFineTuneTask::new(TextFineTuneInputs { adapter: Some(adapter), ..inputs }).unwrap();
    let tuned = complete(&mut task, &mut events).unwrap();
    (tuned, metric(&events, "train.loss"))
}

pub(super) fn inputs(
    model: Rc<LanguageModel>,
    forget: Vec<TextSample>,
    retain: Vec<TextSample>,
    trainer: TextTrainerSpec,
    folder: &Path,
) -> TextFineTuneInputs {
    let checkpoint_folder = folder.join("checkpoints");
    TextFineTuneInputs { model, adapter: None, reference: None, forget, retain, trainer, checkpoint_folder }
}

pub(super) fn metric(events: &Events, name: &str) -> Vec<f64> {
    let value = |event: &EventBody| {
        let EventBody::Metric(metric) = event else { return None };
        (metric.name == name).then_some(metric.value)
    };
    events.0.iter().filter_map(value).collect()
}

fn assert_curve(found: &[f64], expected: &[f64], name: &str) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
        let gap = (found - expected).abs();
        assert!(gap <= 1e-4 * expected.abs().max(1.0), "{name}, step {step}: {found} instead of {expected}");
    }
}

fn assert_adapter(tuned: &TextTuned, name: &str) {
    let expected = load(name, &tuned.model).adapter;
    for ((key, found), (_, expected)) in tuned.adapter.as_ref().unwrap().tensors().iter().zip(expected.tensors()) {
        let gap = (found - expected).abs().max().double_value(&[]);
        assert!(gap <= 1e-4, "{name}, {key}: {gap}");
    }
}

#[test]
fn supervised_fine_tuning_equals_peft_and_torch() {
    let trainer = trainer(Objective::Supervised, 4, 2);
    let (tuned, losses) = train("base", "start", samples(), Vec::new(), trainer.clone());
    assert_curve(&losses, &curve("sft", "losses"), "sft");
    assert_adapter(&tuned, "final");
    let again = TextTrainerSpec { gradient_checkpointing: true, ..trainer };
    let (tuned, losses) = train("base", "start", samples(), Vec::new(), again);
    assert_curve(&losses, &curve("sft", "losses"), "sft, computing activations again");
    assert_adapter(&tuned, "final");
}

#[test]
fn a_classifier_and_its_head_train_as_with_peft() {
    let classes = [0, 1, 2, 0, 1, 2, 0, 1];
    let labelled = samples().into_iter().zip(classes);
    let samples = labelled.map(|(sample, class)| TextSample { target: Target::Class(class), ..sample }).collect();
    let (tuned, losses) =
        train("classifier", "classifier_start", samples, Vec::new(), trainer(Objective::Supervised, 8, 1));
    assert_curve(&losses, &curve("classifier", "losses"), "classifier");
    assert_adapter(&tuned, "classifier_final");
}

#[test]
fn unlearning_curves_equal_those_of_the_formulas() {
    let retain = RetainLoss::Likelihood;
    let linear = |trainer| TextTrainerSpec { schedule: TextSchedule::Linear, ..trainer };
    let runs = [
        ("grad_diff", linear(trainer(Objective::GradDiff { gamma: 1.0, alpha: 1.0, retain }, 4, 1))),
        ("npo", trainer(Objective::Npo { beta: 0.1, gamma: 1.0, alpha: 1.0, retain }, 4, 1)),
        ("simnpo", trainer(Objective::SimNpo { beta: 4.5, delta: 0.0, gamma: 0.125, alpha: 1.0, retain }, 4, 1)),
    ];
    for (name, trainer) in runs {
        let mut forget = samples();
        let kept = forget.split_off(4);
        let (_, losses) = train("base", "start", forget, kept, trainer);
        assert_curve(&losses, &curve(name, "losses"), name);
    }
}

#[test]
fn schedules_equal_transformers() {
    for (name, schedule) in [("linear", TextSchedule::Linear), ("cosine", TextSchedule::Cosine)] {
        let trainer = TextTrainerSpec { schedule, learning_rate: 0.4, epochs: 7, ..TextTrainerSpec::default() };
        let rate = Rate::new(&trainer, 10);
        let expected: Vec<f64> = serde_json::from_value(values()[format!("schedule.{name}")].clone()).unwrap();
        for (step, expected) in expected.iter().enumerate() {
            assert!((rate.at(step as u64) - expected).abs() < 1e-12, "{name}, step {step}");
        }
    }
}
