//! From a split and a request to what will be trained on, for every training method.

use crate::domain::finetune::Method;
use crate::domain::poison::{Donor, DonorRule, LabelStrategy, PoisonPlan, PoisonSpec};
use crate::domain::{Error, Result};

use super::labels::{LabelContext, label};
use super::population::Population;
use super::training_set::{Targets, TrainingSet};
use super::{donor, mix, selection};

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct PoisonInputs<'a> {
    pub spec: &'a PoisonSpec,
    pub method: Method,
    /// Class of every sample of the split, as a class of the model.
    pub labels: &'a [u32],
    pub class_count: u32,
    /// In the order of the logits, or empty.
    pub class_names: &'a [String],
    /// Positions of the forget set in the split; empty for `Train`.
    pub forget: &'a [usize],
    /// The original model's logits on the forget set in ascending position, `[forget, class_count]`; see `needs_forget_logits`.
    pub forget_logits: Option<&'a [f32]>,
    pub batch_size: u32,
}

/// Whether planning needs the original model's logits on the forget set.
pub fn needs_forget_logits(spec: &PoisonSpec, method: Method) -> bool {
    match method {
        Method::Poison => match spec.labels {
            LabelStrategy::Targeted => match spec.donor.rule {
                DonorRule::NearestClass => true,
                DonorRule::Explicit => false,
            },
            LabelStrategy::PerSampleSecondBest | LabelStrategy::SoftReweight => true,
            LabelStrategy::Random | LabelStrategy::RandomUniformAll | LabelStrategy::Keep => false,
        },
        Method::Train | Method::Retrain | Method::Finetune | Method::RandomLabel | Method::NegGradPlus => false,
    }
}

/// Plans a training run.
///
/// # Errors
/// `EMPTY_FORGET_SET`, `UNKNOWN_CLASS`, `DONOR_IN_FORGET_SET` and other invalid fields, as paths relative to the spec
/// (`donor.class`); `EMPTY_RETAIN_SET` and `NO_RETAINED_CLASS` as failed preconditions.
pub fn plan(inputs: &PoisonInputs<'_>) -> Result<(PoisonPlan, TrainingSet)> {
    let spec = inputs.spec;
    let population = Population::divide(inputs.labels, inputs.class_count, inputs.class_names, inputs.forget)?;
    check(inputs, &population)?;
    let mut warnings = Vec::new();
    let selected = match uses_forget_set(inputs.method) {
        true => selection::select(spec.selection, &population.forget, spec.seed)?,
        false => Vec::new(),
    };
    let retained = mix::mix(spec.mix, &population, selected.len(), spec.seed, &mut warnings)?;
    let donors = donors(inputs, &population)?;
    let context =
        LabelContext { population: &population, donors: &donors, forget_logits: inputs.forget_logits, seed: spec.seed };
    let poison = label(strategy(inputs), &selected, &context)?;
    warn(inputs, &population, &mut warnings);
    let plan = PoisonPlan {
        forget_counts: population.forget_counts(),
        poisoned_count: selected.len() as u64,
        retain_count: retained.len() as u64,
        donors,
        label_histogram: poison.histogram(inputs.class_count),
        warnings,
        steps_per_epoch: steps_per_epoch(inputs.method, selected.len(), retained.len(), inputs.batch_size),
    };
    Ok((plan, assemble(&population, selected, retained, poison)))
}

/// Optimiser steps in an epoch; `NegGradPlus` pairs every retain batch with a forget batch, `RandomLabel` runs them one after the
/// other.
pub(crate) fn steps_per_epoch(method: Method, forget: usize, retain: usize, batch_size: u32) -> u64 {
    let batches = |samples: usize| (samples as u64).div_ceil(u64::from(batch_size.max(1)));
    match method {
        Method::Poison | Method::Train | Method::Retrain | Method::Finetune => batches(forget + retain),
        Method::RandomLabel => batches(forget) + batches(retain),
        Method::NegGradPlus => batches(retain),
    }
}

fn uses_forget_set(method: Method) -> bool {
    match method {
        Method::Poison | Method::RandomLabel | Method::NegGradPlus => true,
        Method::Train | Method::Retrain | Method::Finetune => false,
    }
}

/// Labels of the forget part: the caller's choice for `Poison`, fixed by the method otherwise.
fn strategy(inputs: &PoisonInputs<'_>) -> LabelStrategy {
    match inputs.method {
        Method::Poison => inputs.spec.labels,
        Method::RandomLabel => LabelStrategy::Random,
        Method::NegGradPlus | Method::Train | Method::Retrain | Method::Finetune => LabelStrategy::Keep,
    }
}

fn donors(inputs: &PoisonInputs<'_>, population: &Population<'_>) -> Result<Vec<Donor>> {
    match strategy(inputs) {
        LabelStrategy::Targeted => donor::choose(&inputs.spec.donor, population, inputs.forget_logits),
        LabelStrategy::Random
        | LabelStrategy::RandomUniformAll
        | LabelStrategy::Keep
        | LabelStrategy::PerSampleSecondBest
        | LabelStrategy::SoftReweight => Ok(Vec::new()),
    }
}

fn check(inputs: &PoisonInputs<'_>, population: &Population<'_>) -> Result<()> {
    check_forget(inputs, population)?;
    check_logits(inputs, population)?;
    let needs_retain = match inputs.method {
        Method::Poison | Method::RandomLabel => !inputs.spec.allow_no_retain,
        Method::Train | Method::Retrain | Method::Finetune | Method::NegGradPlus => true,
    };
    if needs_retain && population.retain.is_empty() {
        return Err(Error::failed_precondition(
            "EMPTY_RETAIN_SET",
            "no sample is left to retain: the forget set is the whole split; narrow `forget` or, for poisoning, set `allow_no_retain`",
        ));
    }
    Ok(())
}

fn check_forget(inputs: &PoisonInputs<'_>, population: &Population<'_>) -> Result<()> {
    match inputs.method {
        Method::Train if !population.forget.is_empty() => Err(Error::invalid(
            "FORGET_SET_NOT_USED",
            "forget",
            "plain training has no forget set; leave it empty, or use RETRAIN to train without these samples",
        )),
        Method::Train => Ok(()),
        Method::Poison | Method::Retrain | Method::Finetune | Method::RandomLabel | Method::NegGradPlus => {
            if !population.forget.is_empty() {
                return Ok(());
            }
            let present: Vec<u32> =
                (0..inputs.class_count).filter(|class| inputs.labels.contains(class)).take(50).collect();
            let classes = population.class_list(&present);
            let description = format!("no sample of the split matches; its classes are {classes}");
            Err(Error::invalid("EMPTY_FORGET_SET", "forget", description))
        }
    }
}

fn check_logits(inputs: &PoisonInputs<'_>, population: &Population<'_>) -> Result<()> {
    if !needs_forget_logits(inputs.spec, inputs.method) {
        return Ok(());
    }
    let expected = population.forget.len() * inputs.class_count as usize;
    let Some(logits) = inputs.forget_logits else {
        return Err(Error::internal("planning needs the model's logits on the forget set"));
    };
    if logits.len() != expected {
        return Err(Error::internal(format!("expected {expected} forget logits, got {}", logits.len())));
    }
    if logits.iter().any(|logit| !logit.is_finite()) {
        return Err(Error::failed_precondition(
            "NON_FINITE_LOGITS",
            "the model gives non-finite logits on the forget set; its weights or the preprocessing are damaged",
        ));
    }
    Ok(())
}

fn warn(inputs: &PoisonInputs<'_>, population: &Population<'_>, warnings: &mut Vec<String>) {
    if !uses_forget_set(inputs.method) {
        return;
    }
    let class_count = inputs.class_count;
    match strategy(inputs) {
        LabelStrategy::Keep if inputs.method == Method::Poison => {
            warnings.push("labels KEEP forgets nothing: the forget set is trained on under its true labels".into());
        }
        LabelStrategy::RandomUniformAll => warnings.push(format!(
            "labels RANDOM_UNIFORM_ALL leaves about 1/{class_count} of the poisoned samples under their true label; RANDOM excludes it"
        )),
        LabelStrategy::Random if class_count == 2 => {
            warnings.push("with two classes RANDOM is the same as TARGETED: only one other class is left".into());
        }
        LabelStrategy::Targeted
        | LabelStrategy::Random
        | LabelStrategy::Keep
        | LabelStrategy::PerSampleSecondBest
        | LabelStrategy::SoftReweight => {}
    }
    let partial = population.partial_classes();
    if !partial.is_empty() {
        let classes = population.class_list(&partial);
        warnings.push(format!(
            "the forget set holds only a part of {classes}: the rest is retained and teaches the class again"
        ));
    }
    if population.retain.is_empty() {
        warnings.push("nothing is retained: expect the accuracy on every other class to fall".into());
    }
}

fn assemble(population: &Population<'_>, selected: Vec<usize>, retained: Vec<usize>, poison: Targets) -> TrainingSet {
    let retained_labels: Vec<u32> = retained.iter().map(|&position| population.label(position)).collect();
    let is_forget = [vec![true; selected.len()], vec![false; retained.len()]].concat();
    let indices = [selected, retained].concat();
    let true_labels = indices.iter().map(|&position| population.label(position)).collect();
    TrainingSet { indices, targets: poison.extended(&retained_labels), true_labels, is_forget }
}

#[cfg(test)]
mod tests;
