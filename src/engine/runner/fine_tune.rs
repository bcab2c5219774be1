//! Training jobs: `concepts` and `activations` where the plan asks them, `plan`, `fine-tune`, `publish`.

use std::time::Instant;

use super::super::concepts::{Insight, insight};
use super::super::failure::blocking;
use super::super::pixels::{Pixels, poison_pixels};
use super::super::planning::{self, PlanInputs};
use super::super::sources::{ModelUse, Role, Samples};
use super::attempt::Attempt;
use super::publish::{Trained, publish};
use crate::device::work::{FineTune, FineTuneOutput};
use crate::domain::Result;
use crate::domain::finetune::{FineTuneSpec, Method};
use crate::domain::job::{EventBody, FineTuneResult, JobResult};
use crate::domain::poison::PoisonPlan;
use crate::ml::poison::{needs_concepts, uses_forget_logits};
use crate::storage::layout::extension;

pub(super) async fn run(attempt: &mut Attempt, spec: &FineTuneSpec) -> Result<JobResult> {
    let (model, samples) = find(attempt, spec).await?;
    let insight = concepts(attempt, spec, &model, &samples).await?;
    let logits = if uses_forget_logits(&spec.poison, spec.method) {
        attempt.stage("activations").await?;
        let positions = samples.selected.clone();
        Some(attempt.predict(&model, &samples, positions, spec.trainer.precision).await?.logits)
    } else {
        None
    };
    let (plan, pixels) = plan(attempt, spec, &model, &samples, logits, insight.as_ref()).await?;
    train(attempt, spec, &model, &samples, plan, pixels).await.map(JobResult::FineTune)
}

/// What the plan asks about concepts, where it does.
pub(super) async fn concepts(
    attempt: &mut Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    samples: &Samples,
) -> Result<Option<Insight>> {
    if !needs_concepts(&spec.poison, spec.method) {
        return Ok(None);
    }
    attempt.stage("concepts").await?;
    let (core, lane, precision) = (&attempt.core, attempt.lane(), spec.trainer.precision);
    insight(core, &lane, model, samples, &spec.poison, precision).await.map(Some)
}

/// The model and the training split with its forget set.
pub(super) async fn find(attempt: &Attempt, spec: &FineTuneSpec) -> Result<(ModelUse, Samples)> {
    let model = attempt.core.find_model(&spec.poison.model).await?;
    let poison = &spec.poison;
    let mut samples = attempt.core.find_samples(&poison.train, Role::Train, &poison.forget, model.spec()).await?;
    if poison.forget.is_empty() {
        samples.selected.clear();
    }
    Ok((model, samples))
}

pub(super) async fn plan(
    attempt: &mut Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    samples: &Samples,
    forget_logits: Option<Vec<f32>>,
    insight: Option<&Insight>,
) -> Result<(PoisonPlan, Pixels)> {
    attempt.stage("plan").await?;
    let inputs = PlanInputs::new(spec, model.spec(), forget_logits, insight.map(Insight::evidence));
    let planned = samples.clone();
    let (plan, set) = blocking(move || planning::plan(&inputs, &planned)).await?;
    attempt.event(EventBody::Plan(Box::new(plan.clone()))).await?;
    for warning in &plan.warnings {
        attempt.warn(warning.clone()).await?;
    }
    let pixels = poison_pixels(&attempt.lane(), model, samples, spec, &plan, set, insight).await?;
    Ok((plan, pixels))
}

/// Trains a copy and publishes it as a new version.
pub(super) async fn train(
    attempt: &mut Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    samples: &Samples,
    plan: PoisonPlan,
    pixels: Pixels,
) -> Result<FineTuneResult> {
    attempt.stage("fine-tune").await?;
    let begin = Instant::now();
    let weights = attempt.folder.join(format!("weights.{}", extension(model.spec().format)));
    let work = FineTune {
        model: model.source.clone(),
        images: pixels.images,
        training_set: pixels.set,
        method: spec.method,
        trainer: spec.trainer.clone(),
        destination: weights.clone(),
        checkpoints: attempt.folder.join("checkpoints"),
    };
    let output = model.device.run(work, attempt.context()).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let trained = Trained { weights, parameter_count: output.parameter_count };
    let version = publish(attempt, spec, model, samples, trained).await?;
    let FineTuneOutput { steps, epochs, final_metrics, early_stopped, flags, parameter_count: _, size_bytes: _ } =
        output;
    let plan = (spec.method != Method::Train).then_some(plan);
    Ok(FineTuneResult { version: version.name, plan, steps, epochs, seconds, final_metrics, early_stopped, flags })
}
