//! evaluations.proto: evaluation of a version. Membership inference is in `membership`.

use super::common::{each, optional_model, precision, required_source, selector, words};
use super::fields::{at_most, parsed, wire_count, within};
use super::names::ClassNames;
use super::text_options::text_options;
use crate::domain::dataset::DataSource;
use crate::domain::evaluation::{
    Accuracy, EvaluationReport, EvaluationSpec, ReferenceComparison, SplitEvaluation, TextQuestions, TextSides,
};
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;

impl TryFrom<pb::EvaluateModelRequest> for EvaluationSpec {
    type Error = Error;

    fn try_from(value: pb::EvaluateModelRequest) -> Result<Self> {
        let pb::EvaluateModelRequest {
            model,
            train,
            test,
            forget,
            reference_model,
            precision: precision_number,
            seed,
            text,
            request_id: _,
            priority: _,
            timeout: _,
        } = value;
        Ok(Self {
            model: parsed(&model, "model")?,
            train: train.map(DataSource::try_from).transpose().map_err(|error| error.under("train"))?,
            test: required_source(test, "test")?,
            forget: selector(forget, "forget")?,
            reference: optional_model(&reference_model, "reference_model")?,
            precision: precision(precision_number, "precision")?,
            seed,
            text: text.map(TextQuestions::try_from).transpose().map_err(|error| error.under("text"))?,
        })
    }
}

impl From<EvaluationSpec> for pb::EvaluateModelRequest {
    fn from(value: EvaluationSpec) -> Self {
        let EvaluationSpec { model, train, test, forget, reference, precision, seed, text } = value;
        Self {
            model: model.to_string(),
            train: train.map(Into::into),
            test: Some(test.into()),
            forget: Some(forget.into()),
            reference_model: reference.map(|reference| reference.to_string()).unwrap_or_default(),
            precision: pb::Precision::from(precision).into(),
            seed,
            text: text.map(Into::into),
            ..Self::default()
        }
    }
}

const MAX_NAMES: usize = 1000;
const MAX_WRITTEN_ANSWERS: u32 = 100_000;
const MAX_ANSWER_TOKENS: u32 = 4096;

impl TryFrom<pb::TextQuestions> for TextQuestions {
    type Error = Error;

    fn try_from(value: pb::TextQuestions) -> Result<Self> {
        let pb::TextQuestions { options, names, written_answers, max_answer_tokens } = value;
        let usual = Self::default();
        at_most(names.len(), MAX_NAMES, "names")?;
        let written = written_answers.unwrap_or(usual.written_answers);
        Ok(Self {
            options: text_options(options, "options")?,
            names: each(names, "names", |name| words(name, ""))?,
            written_answers: within(written, 0..=MAX_WRITTEN_ANSWERS, "written_answers")?,
            max_answer_tokens: match within(max_answer_tokens, 0..=MAX_ANSWER_TOKENS, "max_answer_tokens")? {
                0 => None,
                tokens => Some(tokens),
            },
        })
    }
}

impl From<TextQuestions> for pb::TextQuestions {
    fn from(value: TextQuestions) -> Self {
        let TextQuestions { options, names, written_answers, max_answer_tokens } = value;
        let max_answer_tokens = max_answer_tokens.unwrap_or_default();
        Self { options: Some(options.into()), names, written_answers: Some(written_answers), max_answer_tokens }
    }
}

impl From<Accuracy> for pb::Accuracy {
    fn from(value: Accuracy) -> Self {
        let Accuracy { correct, total, value, low, high } = value;
        Self { correct: wire_count(correct), total: wire_count(total), value, low, high }
    }
}

impl From<SplitEvaluation> for pb::SplitEvaluation {
    fn from(value: SplitEvaluation) -> Self {
        let SplitEvaluation {
            forget,
            retain,
            global,
            per_class,
            forget_loss,
            retain_loss,
            destinations,
            mean_softmax,
            confusion,
            text,
        } = value;
        let (text_forget, text_retain) =
            text.map(|TextSides { forget, retain }| (forget.into(), retain.into())).unzip();
        Self {
            forget: Some(forget.into()),
            retain: Some(retain.into()),
            global: Some(global.into()),
            per_class: per_class.into_iter().map(Into::into).collect(),
            forget_loss,
            retain_loss,
            destinations,
            mean_softmax,
            confusion: confusion.into_iter().map(wire_count).collect(),
            text_forget,
            text_retain,
        }
    }
}

impl From<ReferenceComparison> for pb::ReferenceComparison {
    fn from(value: ReferenceComparison) -> Self {
        let ReferenceComparison { reference, train, test, js_divergence, average_gap, tug_of_war } = value;
        Self {
            reference: reference.to_string(),
            train: train.map(Into::into),
            test: Some(test.into()),
            js_divergence,
            average_gap,
            tug_of_war,
        }
    }
}

impl pb::EvaluationReport {
    pub(super) fn named(value: EvaluationReport, names: &ClassNames) -> Self {
        let EvaluationReport { version, forget_classes, train, test, reference, provenance } = value;
        Self {
            version: version.to_string(),
            forget_classes,
            class_names: names.all(),
            train: train.map(Into::into),
            test: Some(test.into()),
            reference: reference.map(Into::into),
            provenance: Some(provenance.into()),
        }
    }
}
