//! unlearning.proto: the requests, built on `poison` and `trainer`.
//!
//! Request id, priority and timeout are not part of a specification; the services read them (see `submission`).

use super::common::{optional_model, required_source};
use super::fields::{known, within};
use super::poison::poison;
use super::text_tuning::{method_of, text_tuning};
use super::trainer::{method, trainer};
use crate::domain::finetune::{FineTuneSpec, Method, UnlearnSpec};
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;

const MAX_PREVIEWS: u32 = 32;

/// What a plan is asked about.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::rpc) struct PlanQuestion {
    pub(in crate::rpc) spec: FineTuneSpec,
    pub(in crate::rpc) preview_count: usize,
}

impl TryFrom<pb::PlanPoisoningRequest> for PlanQuestion {
    type Error = Error;

    fn try_from(value: pb::PlanPoisoningRequest) -> Result<Self> {
        let pb::PlanPoisoningRequest { poison, trainer, method, preview_count, text } = value;
        let preview_count = within(preview_count, 0..=MAX_PREVIEWS, "preview_count")? as usize;
        Ok(Self { spec: fine_tune(poison, trainer, text, method, false)?, preview_count })
    }
}

impl TryFrom<pb::FineTunePoisonedRequest> for FineTuneSpec {
    type Error = Error;

    fn try_from(value: pb::FineTunePoisonedRequest) -> Result<Self> {
        let pb::FineTunePoisonedRequest {
            poison,
            trainer,
            method,
            promote,
            text,
            request_id: _,
            priority: _,
            timeout: _,
        } = value;
        fine_tune(poison, trainer, text, method, promote)
    }
}

impl TryFrom<pb::UnlearnRequest> for UnlearnSpec {
    type Error = Error;

    fn try_from(value: pb::UnlearnRequest) -> Result<Self> {
        let pb::UnlearnRequest {
            poison,
            trainer,
            method,
            test,
            reference_model,
            promote,
            text,
            request_id: _,
            priority: _,
            timeout: _,
        } = value;
        Ok(Self {
            fine_tune: fine_tune(poison, trainer, text, method, promote)?,
            test: required_source(test, "test")?,
            reference: optional_model(&reference_model, "reference_model")?,
        })
    }
}

fn fine_tune(
    spec: Option<pb::PoisonSpec>,
    training: Option<pb::TrainerSpec>,
    tuning: Option<pb::TextTuning>,
    method_number: i32,
    promote: bool,
) -> Result<FineTuneSpec> {
    let text = text_tuning(tuning, known(method_number, "method")?)?;
    if text.is_some() && training.is_some() {
        let description = "is for models of images and `text` for language models; give one of them";
        return Err(Error::invalid("CONFLICTING_FIELDS", "trainer", description));
    }
    let method = method(method_number)?;
    let spec = FineTuneSpec { poison: poison(spec)?, trainer: trainer(training, method)?, method, promote, text };
    forget_set_fits_method(&spec)?;
    Ok(spec)
}

/// Only TRAIN goes without a forget set, and it has to.
fn forget_set_fits_method(spec: &FineTuneSpec) -> Result<()> {
    let (field, empty) = ("poison.forget", spec.poison.forget.is_empty());
    match (spec.method, empty) {
        (Method::Train, false) => Err(Error::invalid(
            "CONFLICTING_FIELDS",
            field,
            "must be empty for the method TRAIN, which has no forget set; RETRAIN trains without one",
        )),
        (Method::Poison | Method::Retrain | Method::Finetune | Method::RandomLabel | Method::NegGradPlus, true) => {
            Err(Error::invalid("MISSING_FIELD", field, "is required: name classes, indices or predicates to forget"))
        }
        (Method::Train, true)
        | (Method::Poison | Method::Retrain | Method::Finetune | Method::RandomLabel | Method::NegGradPlus, false) => {
            Ok(())
        }
    }
}

impl From<FineTuneSpec> for pb::FineTunePoisonedRequest {
    fn from(value: FineTuneSpec) -> Self {
        let (method, promote) = (wire_method(&value).into(), value.promote);
        let FineTuneSpec { method: _, poison, trainer, promote: _, text } = value;
        let trainer = text.is_none().then(|| trainer.into());
        Self { poison: Some(poison.into()), trainer, text: text.map(Into::into), method, promote, ..Self::default() }
    }
}

impl From<UnlearnSpec> for pb::UnlearnRequest {
    fn from(value: UnlearnSpec) -> Self {
        let UnlearnSpec { fine_tune, test, reference } = value;
        let pb::FineTunePoisonedRequest { poison, trainer, text, method, promote, .. } = fine_tune.into();
        Self {
            poison,
            trainer,
            text,
            method,
            promote,
            test: Some(test.into()),
            reference_model: reference.map(|reference| reference.to_string()).unwrap_or_default(),
            ..Self::default()
        }
    }
}

/// Objectives of language models are methods on the wire.
fn wire_method(spec: &FineTuneSpec) -> pb::Method {
    let of_text = spec.text.as_ref().and_then(|text| method_of(text.trainer.objective));
    of_text.unwrap_or_else(|| spec.method.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finetune::{Scope, TrainerSpec};

    fn request(forget: &[&str], method: pb::Method) -> pb::FineTunePoisonedRequest {
        let classes = forget.iter().map(|class| (*class).to_owned()).collect();
        let poison = pb::PoisonSpec {
            model: "models/cifar@2".into(),
            train: Some(pb::DataSource { dataset: "cifar10".into(), split: "train".into() }),
            forget: Some(pb::Selector { classes, ..Default::default() }),
            ..Default::default()
        };
        pb::FineTunePoisonedRequest { poison: Some(poison), method: method.into(), ..Default::default() }
    }

    #[test]
    fn the_smallest_request_is_the_papers_method() {
        let spec = FineTuneSpec::try_from(request(&["deer"], pb::Method::Unspecified)).unwrap();
        assert_eq!((spec.method, spec.promote), (Method::Poison, false));
        assert_eq!(spec.trainer, TrainerSpec::for_scope(Scope::Head));
        // What is echoed names the rule that nobody stated.
        let mut echoed = FineTuneSpec::try_from(pb::FineTunePoisonedRequest::from(spec.clone())).unwrap();
        assert!(spec.poison.donor.implied && !echoed.poison.donor.implied);
        echoed.poison.donor.implied = true;
        assert_eq!(echoed, spec);
    }

    #[test]
    fn only_training_goes_without_a_forget_set() {
        let refused = |forget: &[&str], method| FineTuneSpec::try_from(request(forget, method)).unwrap_err().reason;
        assert_eq!(refused(&["deer"], pb::Method::Train), "CONFLICTING_FIELDS");
        assert_eq!(refused(&[], pb::Method::Poison), "MISSING_FIELD");
        assert_eq!(refused(&[], pb::Method::Retrain), "MISSING_FIELD");
        assert!(FineTuneSpec::try_from(request(&[], pb::Method::Train)).is_ok());
    }

    #[test]
    fn a_retrained_model_moves_every_parameter() {
        let retrain = request(&["deer"], pb::Method::Retrain);
        assert_eq!(FineTuneSpec::try_from(retrain.clone()).unwrap().trainer.scope, Scope::All);
        let head = Some(pb::TrainerSpec { scope: pb::Scope::Head.into(), ..Default::default() });
        let error = FineTuneSpec::try_from(pb::FineTunePoisonedRequest { trainer: head, ..retrain }).unwrap_err();
        assert_eq!(error.violations[0].field, "trainer.scope");
    }

    #[test]
    fn the_whole_way_needs_a_test_set() {
        let pb::FineTunePoisonedRequest { poison, .. } = request(&["deer"], pb::Method::Poison);
        let error = UnlearnSpec::try_from(pb::UnlearnRequest { poison, ..Default::default() }).unwrap_err();
        assert_eq!(error.violations[0].field, "test");
    }
}
