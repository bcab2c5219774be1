//! The label strategies: what a poisoned sample is labelled as.

use rand::Rng;

use crate::domain::poison::{Donor, LabelStrategy};
use crate::domain::{Error, Result};
use crate::ml::random::{Purpose, stream};

use super::population::Population;
use super::training_set::Targets;

/// Everything a strategy may look at.
#[derive(Debug)]
pub(super) struct LabelContext<'a> {
    pub(super) population: &'a Population<'a>,
    pub(super) donors: &'a [Donor],
    /// `[forget, classes]`, in the order of the forget set.
    pub(super) forget_logits: Option<&'a [f32]>,
    pub(super) seed: u64,
}

/// Targets of the poisoned samples at `positions` (each in the forget set), in their order.
pub(super) fn label(strategy: LabelStrategy, positions: &[usize], context: &LabelContext<'_>) -> Result<Targets> {
    let hard = |choose: &dyn Fn(usize) -> Result<u32>| {
        positions.iter().map(|&position| choose(position)).collect::<Result<Vec<u32>>>().map(Targets::Hard)
    };
    match strategy {
        LabelStrategy::Targeted => hard(&|position| context.donor(position)),
        LabelStrategy::Random => hard(&|position| {
            let allowed = context.alternatives(position)?;
            Ok(allowed[context.random(position, allowed.len())])
        }),
        LabelStrategy::RandomUniformAll => {
            hard(&|position| Ok(context.random(position, context.population.class_count as usize) as u32))
        }
        LabelStrategy::Keep => hard(&|position| Ok(context.population.label(position))),
        LabelStrategy::PerSampleSecondBest => hard(&|position| context.second_best(position)),
        LabelStrategy::SoftReweight => context.reweighted(positions),
    }
}

impl LabelContext<'_> {
    fn donor(&self, position: usize) -> Result<u32> {
        let class = self.population.label(position);
        let donor = self.donors.iter().find(|donor| donor.class == class);
        donor.map(|donor| donor.donor).ok_or_else(|| Error::internal(format!("no donor was chosen for class {class}")))
    }

    fn alternatives(&self, position: usize) -> Result<Vec<u32>> {
        let allowed = self.population.alternatives(self.population.label(position));
        if allowed.is_empty() {
            return Err(Error::failed_precondition(
                "NO_RETAINED_CLASS",
                "the forget set holds every sample of every class, so there is no other class to label it as; narrow `forget`",
            ));
        }
        Ok(allowed)
    }

    fn random(&self, position: usize, count: usize) -> usize {
        stream(self.seed, Purpose::PoisonLabel, position as u64).random_range(0..count)
    }

    fn logits(&self, position: usize) -> Result<&[f32]> {
        let class_count = self.population.class_count as usize;
        let row = self.population.forget.binary_search(&position).ok();
        row.zip(self.forget_logits)
            .and_then(|(row, logits)| logits.chunks_exact(class_count).nth(row))
            .ok_or_else(|| Error::internal("this label strategy needs the model's logits on the forget set"))
    }

    /// The alternative with the highest logit; ties go to the lower class.
    fn second_best(&self, position: usize) -> Result<u32> {
        let logits = self.logits(position)?;
        let better = |best: u32, class: u32| if logits[class as usize] > logits[best as usize] { class } else { best };
        let allowed = self.alternatives(position)?;
        Ok(allowed.into_iter().reduce(better).expect("alternatives() is never empty"))
    }

    /// Softmax over the alternatives only, which is the softmax without the forgotten classes, renormalised.
    fn reweighted(&self, positions: &[usize]) -> Result<Targets> {
        let class_count = self.population.class_count;
        let mut values = vec![0.0; positions.len() * class_count as usize];
        for (&position, target) in positions.iter().zip(values.chunks_exact_mut(class_count as usize)) {
            let allowed = self.alternatives(position)?;
            let logits = self.logits(position)?;
            let kept: Vec<f32> = allowed.iter().map(|&class| logits[class as usize]).collect();
            for (class, probability) in allowed.iter().zip(softmax(&kept)) {
                target[*class as usize] = probability as f32;
            }
        }
        Ok(Targets::Soft { class_count, values })
    }
}

/// Softmax in f64, stable against large logits.
pub(super) fn softmax(logits: &[f32]) -> impl Iterator<Item = f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    logits.iter().map(move |&logit| f64::from(logit - largest).exp() / total)
}
