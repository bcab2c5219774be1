//! evaluations.proto: evaluation of a version. Membership inference is in `membership`.

use super::common::{optional_model, precision, required_source, selector};
use super::fields::{parsed, wire_count};
use super::names::ClassNames;
use crate::domain::dataset::DataSource;
use crate::domain::evaluation::{Accuracy, EvaluationReport, EvaluationSpec, ReferenceComparison, SplitEvaluation};
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
        })
    }
}

impl From<EvaluationSpec> for pb::EvaluateModelRequest {
    fn from(value: EvaluationSpec) -> Self {
        let EvaluationSpec { model, train, test, forget, reference, precision, seed } = value;
        Self {
            model: model.to_string(),
            train: train.map(Into::into),
            test: Some(test.into()),
            forget: Some(forget.into()),
            reference_model: reference.map(|reference| reference.to_string()).unwrap_or_default(),
            precision: pb::Precision::from(precision).into(),
            seed,
            ..Self::default()
        }
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
        } = value;
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
