//! Whether a job can ever have the memory it needs, foreseen from measured passes before it is accepted. One that could have it, but not
//! now, waits in the queue.

use super::super::core::Core;
use super::super::failure::precondition;
use super::super::sources::ModelUse;
use super::models_of;
use crate::device::Demand;
use crate::device::work::Foresight;
use crate::domain::concept::ConceptBasis;
use crate::domain::finetune::{FineTuneSpec, Precision};
use crate::domain::job::JobSpec;
use crate::domain::text::TextOptions;
use crate::domain::{Error, Result};

/// Tokens of written answers that room is foreseen for.
const ANSWER_TOKENS: usize = 64;
/// Images embedded for a bank that needs no dataset, at most.
const RENDERED_SAMPLES: usize = 20_000;

impl Core {
    /// Bytes of device memory that the job will need.
    ///
    /// # Errors
    /// `DEVICE_MEMORY`, a failed precondition, when it could not have them even alone: it names a batch size that would fit.
    pub(in crate::engine) async fn check_memory(&self, spec: &JobSpec) -> Result<u64> {
        let Some((model, foresight)) = self.foresee(spec).await? else { return Ok(0) };
        if foresight.need > foresight.at_best {
            return Err(never_fits(spec, &model, foresight));
        }
        Ok(foresight.need)
    }

    pub(in crate::engine) async fn foresee(&self, spec: &JobSpec) -> Result<Option<(ModelUse, Foresight)>> {
        let Some(model) = models_of(spec).into_iter().next() else { return Ok(None) };
        let model = self.find_model(model).await?;
        let demands = match &model.spec().text {
            Some(_) => self.text_demands(spec, &model).await?,
            None => demands(spec, self.largest_split(spec).await?),
        };
        if demands.is_empty() {
            return Ok(None);
        }
        let foresight = model.device.foresee(model.source.clone(), demands).await.map_err(|error| {
            // Layers that a language model lacks; what is said of images is named where it is checked.
            if model.spec().text.is_some() { error.under("text.trainer") } else { error }
        })?;
        Ok(Some((model, foresight)))
    }

    async fn text_demands(&self, spec: &JobSpec, model: &ModelUse) -> Result<Vec<Demand>> {
        let training = match spec {
            JobSpec::FineTune(spec) => self.text_demand(spec, model).await?,
            JobSpec::Unlearn(spec) => self.text_demand(&spec.fine_tune, model).await?,
            JobSpec::Evaluate(_)
            | JobSpec::Membership(_)
            | JobSpec::LearnConcepts(_)
            | JobSpec::ExtractConcepts(_)
            | JobSpec::Attribute(_) => None,
        };
        let context = model.spec().text.as_ref().map_or(0, |text| text.context as usize);
        let tokens = |options: TextOptions| options.most_tokens().min(context);
        let reading = text_options(spec).map(|options| Demand::ReadTexts { tokens: tokens(options) + ANSWER_TOKENS });
        Ok(training.into_iter().chain(reading).collect())
    }

    /// Samples of the largest split that the job may read.
    async fn largest_split(&self, spec: &JobSpec) -> Result<usize> {
        let mut largest = 0;
        for dataset in spec.datasets() {
            let splits = self.store.dataset(dataset).await?.splits;
            largest = splits.iter().map(|split| split.sample_count as usize).fold(largest, usize::max);
        }
        Ok(largest)
    }
}

/// How a job that reads texts with the model as it stands puts them to it.
fn text_options(spec: &JobSpec) -> Option<TextOptions> {
    match spec {
        JobSpec::Unlearn(spec) => spec.fine_tune.text.as_ref().map(|tuning| tuning.options.clone()),
        JobSpec::Evaluate(spec) => Some(spec.text.as_ref().map(|text| text.options.clone()).unwrap_or_default()),
        JobSpec::Membership(spec) => Some(spec.text.clone().unwrap_or_default()),
        JobSpec::ExtractConcepts(spec) => match &spec.basis {
            ConceptBasis::Words(words) => Some(words.text.clone()),
            ConceptBasis::Bank(_) => None,
        },
        JobSpec::FineTune(_) | JobSpec::LearnConcepts(_) | JobSpec::Attribute(_) => None,
    }
}

/// The work of a job that takes most memory; stages follow each other, so the largest counts.
fn demands(spec: &JobSpec, samples: usize) -> Vec<Demand> {
    let predict = |precision: Precision| Demand::Predict { precision, samples };
    match spec {
        JobSpec::FineTune(spec) => vec![train(spec, samples)],
        JobSpec::Unlearn(spec) => vec![train(&spec.fine_tune, samples), predict(spec.fine_tune.trainer.precision)],
        JobSpec::Evaluate(spec) => vec![predict(spec.precision)],
        JobSpec::Membership(_) => vec![predict(Precision::F32)],
        JobSpec::LearnConcepts(spec) => {
            vec![Demand::Embed { precision: spec.precision, samples: samples.max(RENDERED_SAMPLES) }]
        }
        JobSpec::ExtractConcepts(spec) => {
            vec![Demand::Embed { precision: spec.precision, samples }, predict(spec.precision)]
        }
        JobSpec::Attribute(spec) => vec![Demand::Attribute { options: Box::new(spec.options.clone()) }],
    }
}

fn train(spec: &FineTuneSpec, samples: usize) -> Demand {
    Demand::Train { trainer: Box::new(spec.trainer.clone()), samples }
}

/// The field that makes most of the difference.
fn field(spec: &JobSpec) -> &'static str {
    match spec {
        JobSpec::FineTune(spec) if spec.text.is_some() => "text.trainer.batch_size",
        JobSpec::Unlearn(spec) if spec.fine_tune.text.is_some() => "text.trainer.batch_size",
        JobSpec::FineTune(_) | JobSpec::Unlearn(_) => "trainer.batch_size",
        JobSpec::Attribute(_) => "attribution.internal_batch_size",
        JobSpec::Evaluate(_) | JobSpec::Membership(_) | JobSpec::LearnConcepts(_) | JobSpec::ExtractConcepts(_) => {
            "model"
        }
    }
}

fn never_fits(spec: &JobSpec, model: &ModelUse, foresight: Foresight) -> Error {
    let Foresight { need, at_best, fitting_batch } = foresight;
    let mebibytes = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let device = model.device.name();
    let remedy = match fitting_batch {
        Some(0) => "not even a batch of one sample would fit: unload other models or raise limits.device_memory_bytes"
            .to_owned(),
        Some(rows) => format!("a batch_size of {rows} would fit"),
        None => "unload other models or raise limits.device_memory_bytes".to_owned(),
    };
    let description = format!(
        "the job needs about {} on `{device}`, where {} can be had beside the models that stay loaded; {remedy}",
        mebibytes(need),
        mebibytes(at_best)
    );
    precondition("DEVICE_MEMORY", field(spec), description).with_resource("device", format!("devices/{device}"))
}
