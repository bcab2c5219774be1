//! Training jobs: `plan`, `fine-tune`, `publish`.

use std::time::Instant;

use super::super::failure::blocking;
use super::super::planning::{self, PlanInputs};
use super::super::sources::{ModelUse, Role, Samples};
use super::attempt::Attempt;
use super::publish::{Trained, publish};
use crate::device::work::{FineTune, FineTuneOutput};
use crate::domain::Result;
use crate::domain::finetune::{FineTuneSpec, Method};
use crate::domain::job::{EventBody, FineTuneResult, JobResult};
use crate::domain::poison::PoisonPlan;
use crate::ml::poison::{TrainingSet, needs_forget_logits};
use crate::storage::layout::extension;

pub(super) async fn run(attempt: &mut Attempt, spec: &FineTuneSpec) -> Result<JobResult> {
    let (model, samples) = find(attempt, spec).await?;
    let logits = if needs_forget_logits(&spec.poison, spec.method) {
        attempt.stage("activations").await?;
        let positions = samples.selected.clone();
        Some(attempt.predict(&model, &samples, positions, spec.trainer.precision).await?.logits)
    } else {
        None
    };
    let (plan, set) = plan(attempt, spec, &model, &samples, logits).await?;
    train(attempt, spec, &model, &samples, plan, set).await.map(JobResult::FineTune)
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
) -> Result<(PoisonPlan, TrainingSet)> {
    attempt.stage("plan").await?;
    let (inputs, samples) = (PlanInputs::new(spec, model.spec(), forget_logits), samples.clone());
    let (plan, set) = blocking(move || planning::plan(&inputs, &samples)).await?;
    attempt.event(EventBody::Plan(Box::new(plan.clone()))).await?;
    for warning in &plan.warnings {
        attempt.warn(warning.clone()).await?;
    }
    Ok((plan, set))
}

/// Trains a copy and publishes it as a new version.
pub(super) async fn train(
    attempt: &mut Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    samples: &Samples,
    plan: PoisonPlan,
    training_set: TrainingSet,
) -> Result<FineTuneResult> {
    attempt.stage("fine-tune").await?;
    let begin = Instant::now();
    let weights = attempt.folder.join(format!("weights.{}", extension(model.spec().format)));
    let work = FineTune {
        model: model.source.clone(),
        images: samples.split.clone(),
        training_set,
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
