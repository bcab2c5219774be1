//! From a split and a request to what will be trained on, for every training method.

mod checks;
mod needs;
mod warnings;

use crate::domain::Result;
use crate::domain::finetune::Method;
use crate::domain::poison::{Donor, LabelStrategy, PoisonImageMode, PoisonPlan, PoisonSpec};

use super::evidence::ConceptEvidence;
use super::labels::{LabelContext, label};
use super::population::Population;
use super::training_set::{Targets, TrainingSet};
use super::{donor, mix, selection};

pub(super) use needs::orders_by_concepts;
pub use needs::{needs_concepts, needs_donors, needs_forget_logits, uses_forget_logits};

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
    /// The original model's logits on the forget set in ascending position, `[forget, class_count]`; see `uses_forget_logits`.
    pub forget_logits: Option<&'a [f32]>,
    /// See `needs_concepts`.
    pub concepts: Option<&'a ConceptEvidence>,
    pub batch_size: u32,
}

/// Plans a training run.
///
/// # Errors
/// `EMPTY_FORGET_SET`, `UNKNOWN_CLASS`, `DONOR_IN_FORGET_SET` and other invalid fields, as paths relative to the spec
/// (`donor.class`); `EMPTY_RETAIN_SET`, `NO_RETAINED_CLASS` and `CONCEPTS_MISSING` as failed preconditions.
pub fn plan(inputs: &PoisonInputs<'_>) -> Result<(PoisonPlan, TrainingSet)> {
    let spec = inputs.spec;
    let population = Population::divide(inputs.labels, inputs.class_count, inputs.class_names, inputs.forget)?;
    checks::check(inputs, &population)?;
    let mut warnings = Vec::new();
    let selected = match uses_forget_set(inputs.method) {
        true => selection::select(spec, &population, inputs.concepts)?,
        false => Vec::new(),
    };
    let retained = mix::mix(spec.mix, &population, selected.len(), spec.seed, &mut warnings)?;
    let mut donors = donors(inputs, &population)?;
    let disagreements = donor::compare(&mut donors, &population, inputs.forget_logits);
    let context =
        LabelContext { population: &population, donors: &donors, forget_logits: inputs.forget_logits, seed: spec.seed };
    let poison = label(strategy(inputs), &selected, &context)?;
    warnings::warn(inputs, &population, &mut warnings);
    warnings.extend(donors.iter().filter_map(|donor| warnings::weak_donor(donor, &population)));
    warnings.extend(disagreements);
    let plan = PoisonPlan {
        forget_counts: population.forget_counts(),
        poisoned_count: selected.len() as u64,
        retain_count: retained.len() as u64,
        donors,
        label_histogram: poison.histogram(inputs.class_count),
        warnings,
        steps_per_epoch: steps_per_epoch(inputs.method, selected.len(), retained.len(), inputs.batch_size),
        image_mode: image_mode(inputs),
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

/// Other methods than poisoning leave pixels alone.
fn image_mode(inputs: &PoisonInputs<'_>) -> PoisonImageMode {
    match inputs.method {
        Method::Poison => inputs.spec.image_mode,
        Method::Train | Method::Retrain | Method::Finetune | Method::RandomLabel | Method::NegGradPlus => {
            PoisonImageMode::None
        }
    }
}

fn donors(inputs: &PoisonInputs<'_>, population: &Population<'_>) -> Result<Vec<Donor>> {
    match needs_donors(inputs.spec, inputs.method) {
        true => donor::choose(&inputs.spec.donor, population, inputs.forget_logits, inputs.concepts),
        false => Ok(Vec::new()),
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
