//! What a job was asked to do, with every default filled in: the part that explains its figures.

use serde::Serialize;

use super::some;
use crate::client::words::Words;
use crate::client::{names, table};
use crate::pb::v1::learn_concept_bank_request::Source;
use crate::pb::v1::{self, job_spec};

#[derive(Debug, Default, Serialize)]
pub(crate) struct SpecView {
    pub(crate) model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) train: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) test: Option<String>,
    pub(crate) forget: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) labels: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) donor_rule: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image_mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) concept_bank: Option<String>,
    pub(crate) seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trainer: Option<TrainerView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text_trainer: Option<TextTrainerView>,
}

/// How a language model is trained.
#[derive(Debug, Serialize)]
pub(crate) struct TextTrainerView {
    /// Absent where every weight moves.
    pub(crate) lora_rank: Option<u32>,
    pub(crate) lora_alpha: Option<f64>,
    pub(crate) learning_rate: Option<f64>,
    pub(crate) batch_size: Option<u32>,
    pub(crate) accumulation: u32,
    pub(crate) epochs: Option<u32>,
    pub(crate) retain_ratio: Option<f64>,
    pub(crate) precision: &'static str,
    pub(crate) seed: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct TrainerView {
    pub(crate) scope: &'static str,
    pub(crate) batch_norm: &'static str,
    pub(crate) optimizer: &'static str,
    pub(crate) learning_rate: Option<f64>,
    pub(crate) weight_decay: f64,
    pub(crate) batch_size: Option<u32>,
    pub(crate) epochs: Option<u32>,
    pub(crate) precision: &'static str,
    pub(crate) seed: u64,
}

impl TextTrainerView {
    fn of(tuning: &v1::TextTuning) -> Option<Self> {
        let trainer = tuning.trainer.as_ref()?;
        let lora = match &trainer.parameters {
            Some(v1::text_trainer_spec::Parameters::Lora(lora)) => Some(lora),
            Some(v1::text_trainer_spec::Parameters::All(_)) | None => None,
        };
        Some(Self {
            lora_rank: lora.and_then(|lora| lora.rank),
            lora_alpha: lora.and_then(|lora| lora.alpha),
            learning_rate: trainer.learning_rate,
            batch_size: trainer.batch_size,
            accumulation: trainer.accumulation,
            epochs: trainer.epochs,
            retain_ratio: trainer.retain_ratio,
            precision: trainer.precision().word(),
            seed: trainer.seed,
        })
    }

    fn text(&self) -> String {
        let shown = |name: &str, value: Option<String>| value.map(|value| format!("{name} {value}"));
        let parts = [
            Some(self.lora_rank.map_or_else(|| "every weight".to_owned(), |rank| format!("adapter of rank {rank}"))),
            shown("learning rate", self.learning_rate.map(|rate| rate.to_string())),
            shown("batch", self.batch_size.map(|size| size.to_string())),
            shown("epochs", self.epochs.map(|epochs| epochs.to_string())),
            shown("retained for each forgotten", self.retain_ratio.map(|ratio| ratio.to_string())),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl SpecView {
    pub(crate) fn of(spec: Option<&v1::JobSpec>) -> Option<Self> {
        Some(match spec?.request.as_ref()? {
            job_spec::Request::FineTune(request) => Self {
                text_trainer: request.text.as_ref().and_then(TextTrainerView::of),
                ..Self::of_training(request.poison.as_ref(), request.trainer.as_ref(), request.method())
            },
            job_spec::Request::Unlearn(request) => Self {
                test: source(request.test.as_ref()),
                reference: some(&request.reference_model),
                text_trainer: request.text.as_ref().and_then(TextTrainerView::of),
                ..Self::of_training(request.poison.as_ref(), request.trainer.as_ref(), request.method())
            },
            job_spec::Request::Evaluate(request) => Self::of_evaluation(request),
            job_spec::Request::Membership(request) => Self::of_membership(request),
            job_spec::Request::LearnConcepts(request) => Self::of_learning(request),
            job_spec::Request::ExtractConcepts(request) => Self::of_extraction(request),
            job_spec::Request::Attribute(request) => Self::of_attribution(request),
        })
    }

    fn of_training(poison: Option<&v1::PoisonSpec>, trainer: Option<&v1::TrainerSpec>, method: v1::Method) -> Self {
        let poison = poison.cloned().unwrap_or_default();
        Self {
            train: source(poison.train.as_ref()),
            forget: selector(poison.forget.as_ref()),
            method: Some(method.word()),
            labels: (method == v1::Method::Poison).then(|| poison.labels().word()),
            donor_rule: poison.donor.as_ref().map(|donor| donor.rule().word()),
            image_mode: (poison.image_mode() != v1::PoisonImageMode::Unspecified).then(|| poison.image_mode().word()),
            concept_bank: some(&poison.concept_bank),
            seed: poison.seed,
            trainer: trainer.map(TrainerView::of),
            model: poison.model,
            ..Self::default()
        }
    }

    fn of_evaluation(request: &v1::EvaluateModelRequest) -> Self {
        Self {
            model: request.model.clone(),
            train: source(request.train.as_ref()),
            test: source(request.test.as_ref()),
            forget: selector(request.forget.as_ref()),
            reference: some(&request.reference_model),
            seed: request.seed,
            ..Self::default()
        }
    }

    fn of_membership(request: &v1::EvaluateMembershipInferenceRequest) -> Self {
        Self {
            model: request.model.clone(),
            train: source(request.train.as_ref()),
            test: source(request.test.as_ref()),
            forget: selector(request.forget.as_ref()),
            reference: some(&request.reference_model),
            seed: request.seed,
            ..Self::default()
        }
    }

    fn of_learning(request: &v1::LearnConceptBankRequest) -> Self {
        Self {
            model: request.model.clone(),
            train: examples_of(request.source.as_ref()),
            concept_bank: Some(names::concept_bank(&request.concept_bank_id)),
            seed: request.seed,
            ..Self::default()
        }
    }

    fn of_extraction(request: &v1::ExtractConceptsRequest) -> Self {
        Self {
            model: request.model.clone(),
            train: source(request.train.as_ref()),
            test: source(request.test.as_ref()),
            concept_bank: some(&request.concept_bank),
            seed: request.seed,
            ..Self::default()
        }
    }

    fn of_attribution(request: &v1::AttributeDatasetRequest) -> Self {
        Self {
            model: request.model.clone(),
            test: source(request.source.as_ref()),
            seed: request.attribution.as_ref().map_or(0, |spec| spec.seed),
            ..Self::default()
        }
    }

    /// Name and value, absent ones empty.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![
            ("model", self.model.clone()),
            ("train", self.train.clone().unwrap_or_default()),
            ("test", self.test.clone().unwrap_or_default()),
            ("forget", self.forget.clone()),
            ("reference", self.reference.clone().unwrap_or_default()),
            ("method", self.method.unwrap_or_default().to_owned()),
            ("labels", self.labels.unwrap_or_default().to_owned()),
            ("donor rule", self.donor_rule.unwrap_or_default().to_owned()),
            ("image mode", self.image_mode.unwrap_or_default().to_owned()),
            ("concepts", self.concept_bank.clone().unwrap_or_default()),
            ("seed", self.seed.to_string()),
        ];
        if let Some(trainer) = &self.trainer {
            rows.push(("training", trainer.text()));
        }
        if let Some(trainer) = &self.text_trainer {
            rows.push(("training", trainer.text()));
        }
        rows
    }
}

impl TrainerView {
    fn of(trainer: &v1::TrainerSpec) -> Self {
        let optimizer = trainer.optimizer.as_ref().and_then(|optimizer| optimizer.kind.as_ref());
        Self {
            scope: trainer.scope().word(),
            batch_norm: trainer.batch_norm().word(),
            optimizer: match optimizer {
                Some(v1::optimizer::Kind::Adamw(_)) => "adamw",
                Some(v1::optimizer::Kind::Sgd(_)) | None => "sgd",
            },
            learning_rate: trainer.learning_rate,
            weight_decay: trainer.weight_decay,
            batch_size: trainer.batch_size,
            epochs: trainer.epochs,
            precision: trainer.precision().word(),
            seed: trainer.seed,
        }
    }

    fn text(&self) -> String {
        let number = |value: Option<u32>| value.map_or_else(|| table::ABSENT.to_owned(), |value| value.to_string());
        format!(
            "scope {}, {} at {}, {} epochs, batches of {}, batch norm {}, {}",
            self.scope,
            self.optimizer,
            self.learning_rate.map_or_else(|| table::ABSENT.to_owned(), |rate| rate.to_string()),
            number(self.epochs),
            number(self.batch_size),
            self.batch_norm,
            self.precision,
        )
    }
}

/// The data that a bank is learnt from; none for rendered concepts.
fn examples_of(from: Option<&Source>) -> Option<String> {
    match from? {
        Source::Examples(examples) => source(examples.concepts.first()?.positives.as_ref()?.source.as_ref()),
        Source::Folder(folder) => Some(folder.dataset.clone()),
        Source::Procedural(_) => None,
        Source::Discovery(discovery) => source(discovery.examples.as_ref()?.source.as_ref()),
    }
}

/// `datasets/d:train`
fn source(source: Option<&v1::DataSource>) -> Option<String> {
    let v1::DataSource { dataset, split } = source?;
    Some(if split.is_empty() { dataset.clone() } else { format!("{dataset}:{split}") })
}

/// `classes deer, cat; 100 indices; 1 condition`
fn selector(selector: Option<&v1::Selector>) -> String {
    let Some(v1::Selector { classes, indices, predicates }) = selector else { return String::new() };
    let mut parts = Vec::new();
    if !classes.is_empty() {
        parts.push(format!("classes {}", classes.join(", ")));
    }
    if !indices.is_empty() {
        parts.push(format!("{} indices", indices.len()));
    }
    if !predicates.is_empty() {
        parts.push(format!("{} conditions", predicates.len()));
    }
    parts.join("; ")
}
