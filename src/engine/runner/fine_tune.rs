//! Training jobs: `concepts` and `activations` where the plan asks them, `plan`, `fine-tune`, `publish`.

use std::path::PathBuf;
use std::time::Instant;

use super::super::concepts::{Insight, insight, words_of_classes};
use super::super::failure::blocking;
use super::super::materials::{Materials, Texts, materials};
use super::super::pixels::Pixels;
use super::super::planning::{self, PlanInputs};
use super::super::sources::{Data, ModelUse, Role, Samples, sample};
use super::attempt::Attempt;
use super::publish::{Trained, publish};
use crate::device::work::{EncodeTexts, EncodedTexts, FineTune, FineTuneOutput, TuneTexts};
use crate::domain::finetune::{FineTuneSpec, Method};
use crate::domain::job::{EventBody, FineTuneResult, JobResult};
use crate::domain::model::AdapterRecord;
use crate::domain::poison::PoisonPlan;
use crate::domain::text::{EncodingReport, TextSource};
use crate::domain::text_training::TrainedParameters;
use crate::domain::{Error, Result};
use crate::ml::language::GoalQuestions;
use crate::ml::poison::{ConceptEvidence, needs_concepts, uses_forget_logits};
use crate::storage::layout::extension;

pub(super) async fn run(attempt: &mut Attempt, spec: &FineTuneSpec) -> Result<JobResult> {
    let (model, samples) = find(attempt, spec).await?;
    let insight = concepts(attempt, spec, &model, &samples).await?;
    let logits = if uses_forget_logits(&spec.poison, spec.method) {
        attempt.stage("activations").await?;
        let positions = samples.selected.clone();
        Some(attempt.predict(&model, &samples, positions, spec.precision()).await?.logits)
    } else {
        None
    };
    let (plan, materials) = plan(attempt, spec, &model, &samples, logits, insight.as_ref()).await?;
    train(attempt, spec, &model, &samples, plan, materials).await.map(JobResult::FineTune)
}

/// What the plan asks about concepts, where it does.
pub(super) async fn concepts(
    attempt: &mut Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    samples: &Samples,
) -> Result<Option<Insight>> {
    if spec.text.is_some() || !needs_concepts(&spec.poison, spec.method) {
        return Ok(None);
    }
    attempt.stage("concepts").await?;
    let (core, lane, precision) = (&attempt.core, attempt.lane(), spec.precision());
    insight(core, &lane, model, samples, &spec.poison, precision).await.map(Some)
}

/// The model and the training split with its forget set.
pub(super) async fn find(attempt: &Attempt, spec: &FineTuneSpec) -> Result<(ModelUse, Samples)> {
    let model = attempt.core.find_model(&spec.poison.model).await?;
    let poison = &spec.poison;
    let mut samples = attempt.core.find_samples(&poison.train, Role::Train, &poison.forget, model.spec()).await?;
    if poison.forget.is_empty() {
        samples.clear_selection();
    }
    let options = spec.text.as_ref().map(|text| text.options.clone()).unwrap_or_default();
    Ok((model, samples.put_as(&options)))
}

/// What the classes owe to concepts, or to words.
async fn evidence(
    attempt: &mut Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    samples: &Samples,
    insight: Option<&Insight>,
) -> Result<Option<ConceptEvidence>> {
    if spec.text.is_none() || !needs_concepts(&spec.poison, spec.method) {
        return Ok(insight.map(Insight::evidence));
    }
    attempt.stage("words").await?;
    words_of_classes(&attempt.lane(), model, samples, spec.poison.seed).await.map(Some)
}

pub(super) async fn plan(
    attempt: &mut Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    samples: &Samples,
    forget_logits: Option<Vec<f32>>,
    insight: Option<&Insight>,
) -> Result<(PoisonPlan, Materials)> {
    let evidence = evidence(attempt, spec, model, samples, insight).await?;
    attempt.stage("plan").await?;
    let inputs = PlanInputs::new(spec, model.spec(), forget_logits, evidence);
    let planned = samples.clone();
    let (plan, set) = blocking(move || planning::plan(&inputs, &planned)).await?;
    attempt.event(EventBody::Plan(Box::new(plan.clone()))).await?;
    for warning in &plan.warnings {
        attempt.warn(warning.clone()).await?;
    }
    let materials = materials(&attempt.lane(), model, samples, spec, &plan, set, insight).await?;
    if let Materials::Texts(Texts { warnings, .. }) = &materials {
        for warning in warnings {
            attempt.warn(warning.clone()).await?;
        }
    }
    Ok((plan, materials))
}

/// Trains a copy and publishes it as a new version.
pub(super) async fn train(
    attempt: &mut Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    samples: &Samples,
    plan: PoisonPlan,
    materials: Materials,
) -> Result<FineTuneResult> {
    let begin = Instant::now();
    let place = Place {
        weights: attempt.folder.join(format!("weights.{}", extension(model.spec().format))),
        checkpoints: attempt.folder.join("checkpoints"),
    };
    let weights = place.weights.clone();
    let output = match materials {
        Materials::Images(pixels) => train_images(attempt, spec, model, pixels, place).await?,
        Materials::Texts(texts) => train_texts(attempt, spec, model, samples, texts, place).await?,
    };
    let seconds = begin.elapsed().as_secs_f64();
    let trained = Trained { weights, parameter_count: output.parameter_count, adapter: adapter(spec, model) };
    let version = publish(attempt, spec, model, samples, trained).await?;
    let FineTuneOutput { steps, epochs, final_metrics, early_stopped, flags, parameter_count: _, size_bytes: _ } =
        output;
    let plan = (spec.method != Method::Train).then_some(plan);
    Ok(FineTuneResult { version: version.name, plan, steps, epochs, seconds, final_metrics, early_stopped, flags })
}

/// Where training leaves its files.
struct Place {
    weights: PathBuf,
    checkpoints: PathBuf,
}

async fn train_images(
    attempt: &mut Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    pixels: Pixels,
    place: Place,
) -> Result<FineTuneOutput> {
    attempt.stage("fine-tune").await?;
    let work = FineTune {
        model: model.source.clone(),
        images: pixels.images,
        training_set: pixels.set,
        method: spec.method,
        trainer: spec.trainer.clone(),
        destination: place.weights,
        checkpoints: place.checkpoints,
    };
    model.device.run(work, attempt.context()).await
}

async fn train_texts(
    attempt: &mut Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    samples: &Samples,
    texts: Texts,
    place: Place,
) -> Result<FineTuneOutput> {
    attempt.stage("encode").await?;
    let tuning = spec.text.clone().unwrap_or_default();
    let EncodedTexts { forget, retain, report } = encode(attempt, model, samples, texts).await?;
    if let Some(warning) = told(report) {
        attempt.warn(warning).await?;
    }
    attempt.stage("fine-tune").await?;
    let work = TuneTexts {
        model: model.source.clone(),
        from_base: spec.method == Method::Retrain,
        forget,
        retain,
        goal: goal_questions(spec, samples).await?,
        trainer: tuning.trainer,
        destination: place.weights,
        checkpoints: place.checkpoints,
    };
    model.device.run(work, attempt.context()).await
}

/// What is looked at after each epoch, where there is a goal.
async fn goal_questions(spec: &FineTuneSpec, samples: &Samples) -> Result<Option<GoalQuestions>> {
    let Some(tuning) = &spec.text else { return Ok(None) };
    let (Some(goal), Data::Texts { split, options }) = (tuning.goal.clone(), &samples.data) else { return Ok(None) };
    let (count, seed) = (goal.examples as usize, spec.poison.seed);
    let forget = sample(&samples.selected, count, seed, 6);
    let retain = sample(&samples.rest(), count, seed, 7);
    let both = [forget.as_slice(), &retain].concat();
    let labels = if samples.has_classes() { samples.labels_at(&both) } else { Vec::new() };
    let (texts, asked) = (split.clone(), retain.clone());
    let read = move || {
        let answer = |position: &usize| Ok(texts.get(*position)?.answer().unwrap_or_default().to_owned());
        asked.iter().map(answer).collect::<Result<Vec<String>>>()
    };
    Ok(Some(GoalQuestions {
        goal,
        texts: split.clone(),
        class_names: samples.dataset.class_names.clone(),
        options: options.clone(),
        forget,
        retain,
        labels,
        targets: blocking(read).await?,
        precision: tuning.trainer.precision,
    }))
}

async fn encode(attempt: &Attempt, model: &ModelUse, samples: &Samples, texts: Texts) -> Result<EncodedTexts> {
    let Data::Texts { split, options } = &samples.data else {
        return Err(Error::internal("images where texts were expected"));
    };
    let Texts { forget, retain, retain_labels, warnings: _ } = texts;
    let work = EncodeTexts {
        model: model.source.clone(),
        texts: split.clone(),
        class_names: samples.dataset.class_names.clone(),
        options: options.clone(),
        forget: forget.into_iter().map(|(_, example)| example).collect(),
        retain,
        retain_labels,
    };
    model.device.run(work, attempt.context()).await
}

/// What became of examples that are not trained on as they are.
fn told(report: EncodingReport) -> Option<String> {
    let EncodingReport { examples, skipped, cut, cut_tokens, without_end, .. } = report;
    let parts = [
        (skipped, format!("{skipped} do not fit and are left out")),
        (cut, format!("{cut} lost {cut_tokens} tokens of their prompts")),
        (without_end, format!("{without_end} have no token that ends their answer")),
    ];
    let told: Vec<String> = parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, told)| told).collect();
    (!told.is_empty()).then(|| format!("of {examples} examples {}", told.join(", ")))
}

/// What a version is that this training makes, where it makes an adapter.
fn adapter(spec: &FineTuneSpec, model: &ModelUse) -> Option<AdapterRecord> {
    match &spec.text.as_ref()?.trainer.parameters {
        TrainedParameters::All => None,
        TrainedParameters::Adapter(lora) => {
            let base = model.version.adapter.as_ref().map_or_else(|| model.name().clone(), |own| own.base.clone());
            Some(AdapterRecord { base, lora: lora.clone() })
        }
    }
}
