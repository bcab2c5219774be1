//! Promises of training, on a Llama of two layers with random weights.

use std::path::Path;

use proptest::prelude::*;

use super::golden::{inputs, metric, model, samples};
use super::order::Order;
use super::pool::Pool;
use super::*;
use crate::domain::job::EventBody;
use crate::domain::text_training::{
    LoraSpec, LoraTargets, Objective, RetainLoss, TextEarlyStop, TextSchedule, TextTrainerSpec, TrainedParameters,
};
use crate::ml::language::lora::Adapter;
use crate::ml::step::{Outcome, Task};
use crate::ml::testing::{Events, complete};

fn trainer(objective: Objective) -> TextTrainerSpec {
    TextTrainerSpec {
        objective,
        parameters: TrainedParameters::Adapter(LoraSpec {
            rank: 4,
            dropout: 0.1,
            targets: LoraTargets::AllLinear,
            ..LoraSpec::default()
        }),
        learning_rate: 2e-2,
        schedule: TextSchedule::Constant,
        warmup_ratio: 0.0,
        accumulation: 2,
        epochs: 4,
        checkpoint_every_steps: 0,
        seed: 5,
        ..TextTrainerSpec::default()
    }
}

fn halves() -> (Vec<TextSample>, Vec<TextSample>) {
    let mut forget = samples();
    let retain = forget.split_off(4);
    (forget, retain)
}

fn given(trainer: TextTrainerSpec, folder: &Path) -> TextFineTuneInputs {
    let (forget, retain) = halves();
    TextFineTuneInputs { reference: Some(model("base")), ..inputs(model("base"), forget, retain, trainer, folder) }
}

fn run(trainer: TextTrainerSpec) -> (TextTuned, Events) {
    let folder = tempfile::tempdir().unwrap();
    let mut events = Events::default();
    let tuned = complete(&mut TextFineTuneTask::new(given(trainer, folder.path())).unwrap(), &mut events).unwrap();
    (tuned, events)
}

fn final_metric(tuned: &TextTuned, name: &str) -> f64 {
    tuned.final_metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}")).value
}

/// What training moved.
fn moved(tuned: &TextTuned) -> Vec<(String, tch::Tensor)> {
    match &tuned.adapter {
        Some(adapter) => adapter.tensors(),
        None => tuned.model.tensors().iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect(),
    }
}

const GRAD_DIFF: Objective = Objective::GradDiff { gamma: 1.0, alpha: 1.0, retain: RetainLoss::Likelihood };
const NPO: Objective = Objective::Npo { beta: 0.1, gamma: 1.0, alpha: 1.0, retain: RetainLoss::Divergence };
const SIMNPO: Objective =
    Objective::SimNpo { beta: 4.5, delta: 6.0, gamma: 1.0, alpha: 1.0, retain: RetainLoss::Likelihood };
const RMU: Objective = Objective::Rmu { layer: Some(1), coefficient: 4.0, gamma: 1.0, alpha: 1.0 };

#[test]
fn supervised_training_learns_all_examples() {
    let (tuned, events) = run(TextTrainerSpec { epochs: 30, ..trainer(Objective::Supervised) });
    let before = metric(&events, "train.loss")[0];
    assert!(final_metric(&tuned, "forget.loss") < before / 3.0, "{:?}", tuned.final_metrics);
    assert!(final_metric(&tuned, "retain.loss") < before / 3.0, "{:?}", tuned.final_metrics);
    assert_eq!((tuned.steps, tuned.epochs), (60, 30));
}

#[test]
fn unlearning_raises_the_loss_of_the_forget_set_and_not_of_the_rest() {
    let start = run(TextTrainerSpec { learning_rate: 1e-12, epochs: 1, ..trainer(Objective::Supervised) }).0;
    let before = |name| final_metric(&start, name);
    for objective in [GRAD_DIFF, NPO, SIMNPO] {
        let (tuned, _) = run(TextTrainerSpec { epochs: 20, ..trainer(objective) });
        let after = |name| final_metric(&tuned, name);
        assert!(after("forget.loss") > before("forget.loss") + 1.0, "{objective:?}: {:?}", tuned.final_metrics);
        assert!(after("retain.loss") < before("retain.loss") + 0.5, "{objective:?}: {:?}", tuned.final_metrics);
    }
}

#[test]
fn steering_brings_hidden_states_nearer_to_the_direction() {
    let (_, events) = run(TextTrainerSpec { epochs: 20, ..trainer(RMU) });
    let losses = metric(&events, "epoch.loss");
    assert!(losses[19] < losses[0], "{losses:?}");
}

#[test]
fn a_run_that_is_killed_at_any_step_ends_with_the_same_bits() {
    for objective in [Objective::Supervised, NPO, RMU] {
        for parameters in [trainer(objective).parameters, TrainedParameters::All] {
            let trainer = TextTrainerSpec { parameters, checkpoint_every_steps: 2, ..trainer(objective) };
            let (whole, _) = run(trainer.clone());
            for steps in [3, 9] {
                let folder = tempfile::tempdir().unwrap();
                let mut task = TextFineTuneTask::new(given(trainer.clone(), folder.path())).unwrap();
                for _ in 0..steps {
                    assert!(matches!(task.step(&mut Events::default()).unwrap(), Outcome::Continue));
                }
                drop(task);
                let mut task = TextFineTuneTask::resume(given(trainer.clone(), folder.path())).unwrap();
                let resumed = complete(&mut task, &mut Events::default()).unwrap();
                assert!(moved(&whole) == moved(&resumed), "{objective:?} after {steps}");
                assert_eq!(whole.final_metrics, resumed.final_metrics);
            }
        }
    }
}

#[test]
fn a_paused_run_goes_on_from_its_last_optimiser_step() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = trainer(Objective::Supervised);
    let mut events = Events::default();
    let mut task = TextFineTuneTask::new(given(trainer.clone(), folder.path())).unwrap();
    (0..3).for_each(|_| drop(task.step(&mut events).unwrap()));
    task.pause(&mut events).unwrap();
    let saved = |event: &EventBody| matches!(event, EventBody::Checkpoint(saved) if saved.step == 1);
    assert_eq!(events.0.iter().filter(|event| saved(event)).count(), 1);
    let mut task = TextFineTuneTask::resume(given(trainer.clone(), folder.path())).unwrap();
    assert_eq!(task.position().step, 1);
    let resumed = complete(&mut task, &mut Events::default()).unwrap();
    assert!(moved(&run(trainer.clone()).0) == moved(&resumed));
    let other = TextTrainerSpec { seed: 6, ..trainer };
    let error = TextFineTuneTask::resume(given(other, folder.path())).err();
    assert_eq!(error.map(|error| error.reason), Some("CHECKPOINT_MISMATCH"));
}

#[test]
fn computing_activations_again_changes_nothing() {
    for parameters in [trainer(Objective::Supervised).parameters, TrainedParameters::All] {
        let trainer = TextTrainerSpec { parameters, learning_rate: 1e-3, ..trainer(NPO) };
        let kept = moved(&run(trainer.clone()).0);
        let again = moved(&run(TextTrainerSpec { gradient_checkpointing: true, ..trainer }).0);
        for ((name, kept), (_, again)) in kept.iter().zip(&again) {
            let gap = (kept - again).abs().max().double_value(&[]);
            assert!(gap < 1e-5, "{name}: {gap}");
        }
    }
}

#[test]
fn an_adapter_leaves_the_model_as_it_was() {
    let (tuned, _) = run(trainer(Objective::Supervised));
    let base = model("base");
    assert!(tuned.model.tensors().iter().all(|(name, tensor)| *tensor == base.tensors()[name]));
    assert!(tuned.adapter.as_ref().is_some_and(|adapter: &Adapter| adapter.layers().len() == 14));
}

#[test]
fn divergence_is_told_with_its_step() {
    let folder = tempfile::tempdir().unwrap();
    let trainer = TextTrainerSpec { learning_rate: 1e30, clip_norm: 0.0, ..trainer(Objective::Supervised) };
    let mut task = TextFineTuneTask::new(given(trainer, folder.path())).unwrap();
    let error = complete(&mut task, &mut Events::default()).unwrap_err();
    assert_eq!(error.reason, "NON_FINITE_LOSS");
    assert!(error.message.contains("step 2"), "{error}");
}

#[test]
fn stopping_early_needs_the_figure_that_was_asked_for() {
    let stop = |early_stop| run(TextTrainerSpec { early_stop: Some(early_stop), ..trainer(GRAD_DIFF) }).0;
    let stopped = stop(TextEarlyStop::ForgetLossAtLeast(0.1));
    assert_eq!((stopped.early_stopped, stopped.epochs), (true, 1));
    let through = stop(TextEarlyStop::ForgetLossAtLeast(1e9));
    assert_eq!((through.early_stopped, through.epochs), (false, 4));
}

#[test]
fn examples_without_labels_are_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let silent = TextSample { tokens: vec![3, 4], target: Target::Labelled(vec![true, false]) };
    let mut inputs = given(trainer(Objective::Supervised), folder.path());
    inputs.forget.push(silent.clone());
    let mut events = Events::default();
    let tuned = complete(&mut TextFineTuneTask::new(inputs).unwrap(), &mut events).unwrap();
    assert_eq!(tuned.skipped, 1);
    assert!(events.0.iter().any(|event| matches!(event, EventBody::Message { .. })));
    let inputs = TextFineTuneInputs { forget: vec![silent], retain: Vec::new(), ..given(trainer(NPO), folder.path()) };
    assert_eq!(TextFineTuneTask::new(inputs).unwrap_err().reason, "EMPTY_TRAINING_SET");
}

#[test]
fn nonsense_settings_are_named_by_field() {
    let refused = |trainer: TextTrainerSpec| validate(&trainer).err().map(|error| error.violations[0].field.clone());
    assert_eq!(refused(TextTrainerSpec::default()), None);
    assert_eq!(refused(TextTrainerSpec { batch_size: 0, ..trainer(NPO) }).as_deref(), Some("batch_size"));
    assert_eq!(refused(TextTrainerSpec { warmup_ratio: 1.5, ..trainer(NPO) }).as_deref(), Some("warmup_ratio"));
    let npo = Objective::Npo { beta: 0.0, gamma: 1.0, alpha: 1.0, retain: RetainLoss::Likelihood };
    assert_eq!(refused(trainer(npo)).as_deref(), Some("objective.beta"));
}

proptest! {
    #[test]
    fn an_epoch_has_every_forgotten_sample_once_in_steps_of_one_size(
        forget in 1_usize..40, retain in 0_usize..40, size in 1_u32..6, accumulation in 1_u32..4, epoch in 0_u64..3,
    ) {
        let sample = |index: usize| TextSample { tokens: vec![3; 2 + index % 7], target: Target::Labelled(vec![true; 2 + index % 7]) };
        let samples = |count| (0..count).map(sample).collect::<Vec<_>>();
        for objective in [Objective::Supervised, GRAD_DIFF] {
            let pool = Pool::new(model("base").config(), samples(forget), samples(retain)).unwrap();
            let trainer = TextTrainerSpec { batch_size: size, accumulation, retain_ratio: 0.5, ..trainer(objective) };
            let order = Order::new(&pool, &trainer);
            let steps = order.epoch(&pool, epoch);
            prop_assert_eq!(&steps, &order.epoch(&pool, epoch));
            prop_assert_eq!(steps.len() as u64, order.steps_per_epoch(&pool));
            let mut seen: Vec<usize> = steps.iter().flat_map(|step| &step.batches).flat_map(|(_, batch)| batch).copied().collect();
            seen.retain(|&sample| sample < forget);
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..forget).collect::<Vec<_>>());
        }
    }
}
