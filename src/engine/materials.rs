//! What is trained on, once a plan is made: images with the poisoned ones behind the split's own, or texts with their new answers.

use super::concepts::Insight;
use super::failure::blocking;
use super::lane::Lane;
use super::pixels::{Pixels, poison_pixels};
use super::sources::{Data, ModelUse, Samples};
use crate::domain::Result;
use crate::domain::finetune::FineTuneSpec;
use crate::domain::poison::PoisonPlan;
use crate::domain::text::{TextExample, TextSource};
use crate::ml::poison::TrainingSet;

#[derive(Debug, Clone)]
pub(super) enum Materials {
    Images(Pixels),
    Texts(Texts),
}

#[derive(Debug, Clone)]
pub(super) struct Texts {
    /// Of the forget set, poisoned.
    pub(super) forget: Vec<TextExample>,
    /// Positions in the split.
    pub(super) retain: Vec<usize>,
    /// Classes of the retained examples; empty where they have none.
    pub(super) retain_labels: Vec<u32>,
}

/// The samples as the plan wants them.
pub(super) async fn materials(
    lane: &Lane,
    model: &ModelUse,
    samples: &Samples,
    spec: &FineTuneSpec,
    plan: &PoisonPlan,
    set: TrainingSet,
    insight: Option<&Insight>,
) -> Result<Materials> {
    match &samples.data {
        Data::Images(_) => poison_pixels(lane, model, samples, spec, plan, set, insight).await.map(Materials::Images),
        Data::Texts { split, .. } => {
            let (split, has_classes) = (split.clone(), samples.has_classes());
            blocking(move || texts(&*split, &set, has_classes)).await.map(Materials::Texts)
        }
    }
}

/// Examples of the forget set under their new classes, and which ones are retained.
fn texts(source: &dyn TextSource, set: &TrainingSet, has_classes: bool) -> Result<Texts> {
    let forgotten = set.forget_count();
    let relabelled = |row: usize| {
        let example = source.get(set.indices[row])?;
        Ok(if has_classes { example.labelled(set.targets.label(row)) } else { example })
    };
    Ok(Texts {
        forget: (0..forgotten).map(relabelled).collect::<Result<_>>()?,
        retain: set.indices[forgotten..].to_vec(),
        retain_labels: if has_classes { set.true_labels[forgotten..].to_vec() } else { Vec::new() },
    })
}
