//! Plans of training runs: for jobs, and for callers who want to see one first.

use super::admission::admit_training;
use super::classes::class_names;
use super::concepts::{Insight, insight, words_of_classes};
use super::failure::blocking;
use super::handle::Engine;
use super::lane::Lane;
use super::materials::{materials, previews};
use super::sources::{ModelUse, Samples};
use super::views::PoisonPreview;
use crate::domain::finetune::{FineTuneSpec, Method, Precision};
use crate::domain::job::JobSpec;
use crate::domain::model::ModelSpec;
use crate::domain::poison::{PoisonPlan, PoisonSpec};
use crate::domain::text_training::TextTuning;
use crate::domain::{ErrorKind, Result};
use crate::ml::evaluation::Predictions;
use crate::ml::poison::{self, ConceptEvidence, PoisonInputs, TrainingSet, needs_concepts, uses_forget_logits};

/// What a plan is made from, apart from the samples.
#[derive(Debug, Clone)]
pub(super) struct PlanInputs {
    poison: PoisonSpec,
    method: Method,
    batch_size: u32,
    model: ModelSpec,
    /// The original model's logits on the forget set, in order of position.
    forget_logits: Option<Vec<f32>>,
    concepts: Option<ConceptEvidence>,
}

impl PlanInputs {
    pub(super) fn new(
        spec: &FineTuneSpec,
        model: &ModelSpec,
        forget_logits: Option<Vec<f32>>,
        concepts: Option<ConceptEvidence>,
    ) -> Self {
        Self {
            poison: spec.poison.clone(),
            method: spec.method,
            batch_size: spec.text.as_ref().map_or(spec.trainer.batch_size, text_batch),
            model: model.clone(),
            forget_logits,
            concepts,
        }
    }
}

/// Examples of one optimiser step.
fn text_batch(tuning: &TextTuning) -> u32 {
    tuning.trainer.batch_size.saturating_mul(tuning.trainer.accumulation)
}

/// Pure; errors name fields below `poison`.
pub(super) fn plan(inputs: &PlanInputs, samples: &Samples) -> Result<(PoisonPlan, TrainingSet)> {
    let model = &samples.seen_by(&inputs.model);
    poison::plan(&PoisonInputs {
        spec: &inputs.poison,
        method: inputs.method,
        labels: &samples.labels,
        class_count: model.class_count,
        class_names: class_names(model, &samples.dataset.class_names),
        forget: &samples.selected,
        forget_logits: inputs.forget_logits.as_deref(),
        concepts: inputs.concepts.as_ref(),
        batch_size: inputs.batch_size,
    })
    .map_err(|error| error.under("poison"))
}

impl Engine {
    /// What a fine-tuning job would train on, with at most `preview_count` of the poisoned samples, and the bytes of device memory that
    /// it would need (0: not known). Nothing is changed.
    pub async fn plan_poisoning(
        &self,
        spec: FineTuneSpec,
        preview_count: usize,
        client: String,
    ) -> Result<(PoisonPlan, Vec<PoisonPreview>, u64)> {
        let core = &self.core;
        core.check_ready()?;
        let lane = Lane::Caller(client);
        let method = spec.method;
        let (spec, model, samples) = admit_training(core, spec).await?;
        let insight = match spec.text.is_none() && needs_concepts(&spec.poison, method) {
            true => Some(insight(core, &lane, &model, &samples, &spec.poison, Precision::F32).await?),
            false => None,
        };
        let logits = match uses_forget_logits(&spec.poison, method) {
            true => Some(asked(&lane, &model, &samples).await?.logits),
            false => None,
        };
        let evidence = match spec.text.is_some() && needs_concepts(&spec.poison, method) {
            true => Some(words_of_classes(&lane, &model, &samples, spec.poison.seed).await?),
            false => insight.as_ref().map(Insight::evidence),
        };
        let inputs = PlanInputs::new(&spec, model.spec(), logits, evidence);
        let planned = samples.clone();
        let (plan, set) = blocking(move || plan(&inputs, &planned)).await?;
        let job = JobSpec::FineTune(spec.clone());
        let foreseen = match Box::pin(core.foresee(&job)).await {
            Err(error) if error.kind == ErrorKind::InvalidArgument => return Err(error),
            foreseen => foreseen.ok().flatten(),
        };
        let memory_bytes = foreseen.map_or(0, |(_, foresight)| foresight.need);
        if preview_count == 0 {
            return Ok((plan, Vec::new(), memory_bytes));
        }
        let materials = materials(&lane, &model, &samples, &spec, &plan, set, insight.as_ref()).await?;
        let previews = blocking(move || previews(&materials, &samples, model.spec(), preview_count)).await?;
        Ok((plan, previews, memory_bytes))
    }
}

/// What the model says of the forget set.
async fn asked(lane: &Lane, model: &ModelUse, samples: &Samples) -> Result<Predictions> {
    let predicted = lane.predict(model, samples, samples.selected.clone(), Precision::F32).await;
    // A text that does not fit.
    predicted.map_err(|error| error.about("text.options.max_tokens"))
}
