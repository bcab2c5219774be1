//! Evaluation jobs: what is compared exists and fits, and there is something to count.

use super::super::core::Core;
use super::super::failure::precondition;
use super::super::sources::{ModelUse, Role, Samples};
use super::text_options::{admit_options, check_answers, pin_time};
use super::{check_alike, check_precision, pinned};
use crate::domain::evaluation::EvaluationSpec;
use crate::domain::ids::ModelRef;
use crate::domain::membership::{Attack, MembershipSpec, check_class_attacks};
use crate::domain::text::TextOptions;
use crate::domain::{Error, Result};

/// Below this many samples of a side no attack means anything.
pub(in crate::engine) const ATTACK_MINIMUM: usize = 10;
const MAX_BOOTSTRAP_SAMPLES: u32 = 100_000;

pub(super) async fn admit_evaluation(core: &Core, mut spec: EvaluationSpec) -> Result<EvaluationSpec> {
    let model = core.find_model(&spec.model).await?;
    check_precision(&model, spec.precision, "precision")?;
    spec.model = pinned(&model);
    spec.reference = core.admit_other(spec.reference.take(), &model, "reference_model").await?;
    if model.spec().text.is_some() || spec.text.is_some() {
        let mut text = spec.text.take().unwrap_or_default();
        text.options = admit_options(text.options, &model).map_err(|error| error.under("text.options"))?;
        spec.text = Some(text);
    }
    let (test, forget) = (&spec.test, &spec.forget);
    let counted = match &spec.train {
        None => core.find_samples(test, Role::Test, forget, model.spec()).await?,
        Some(train) => {
            let held_out = core.find_held_out(test, forget, model.spec()).await?;
            let samples = core.find_samples(train, Role::Train, forget, model.spec()).await?;
            check_alike(&samples, &held_out.samples)?;
            samples
        }
    };
    if let Some(text) = &mut spec.text {
        settle(&mut text.options, &counted, &model).map_err(|error| error.under("text.options"))?;
    }
    if counted.selected.is_empty() {
        return Err(Error::invalid(
            "EMPTY_FORGET_SET",
            "forget",
            "no sample of the split matches; name a class it has",
        ));
    }
    Ok(spec)
}

pub(super) async fn admit_membership(core: &Core, mut spec: MembershipSpec) -> Result<MembershipSpec> {
    if spec.bootstrap_samples > MAX_BOOTSTRAP_SAMPLES {
        let description = format!("{} is more than {MAX_BOOTSTRAP_SAMPLES}", spec.bootstrap_samples);
        return Err(Error::invalid("OUT_OF_RANGE", "bootstrap_samples", description));
    }
    let model = core.find_model(&spec.model).await?;
    check_attacks(&model, &spec.attacks)?;
    spec.model = pinned(&model);
    if model.spec().text.is_some() || spec.text.is_some() {
        let options = admit_options(spec.text.take().unwrap_or_default(), &model);
        spec.text = Some(options.map_err(|error| error.under("text"))?);
    }
    let members = core.find_samples(&spec.train, Role::Train, &spec.forget, model.spec()).await?;
    let held_out = core.find_held_out(&spec.test, &spec.forget, model.spec()).await?;
    check_alike(&members, &held_out.samples)?;
    check_apart(&members, &held_out.samples)?;
    if let Some(options) = &mut spec.text {
        settle(options, &members, &model).map_err(|error| error.under("text"))?;
    }
    check_side(members.selected.len(), "train")?;
    check_side(held_out.non_members(spec.seed).0.len(), "test")?;
    let original = match spec.original.take() {
        Some(original) => Some(original),
        None => parent(core, &model).await?,
    };
    spec.original = core.admit_other(original, &model, "original_model").await?;
    spec.reference = core.admit_other(spec.reference.take(), &model, "reference_model").await?;
    if spec.reference.is_none() && spec.attacks.contains(&Attack::Reference) {
        let description = "REFERENCE compares with a model that never saw the texts; name it";
        return Err(precondition("REFERENCE_MISSING", "reference_model", description.to_owned()));
    }
    if spec.original.is_none() && spec.attacks.contains(&Attack::ForgettingRate) {
        let description =
            "FORGETTING_RATE compares with the model before unlearning, and this version has no parent; name it";
        return Err(precondition("ORIGINAL_MISSING", "original_model", description.to_owned()));
    }
    Ok(spec)
}

/// The version that `model` was made from, unless it was deleted.
async fn parent(core: &Core, model: &ModelUse) -> Result<Option<ModelRef>> {
    let Some(parent) = model.version.lineage.parent.clone() else { return Ok(None) };
    match core.store.version(&parent).await {
        Ok(_) => Ok(Some(ModelRef::Version(parent))),
        Err(error) if error.kind == crate::domain::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The classes of the texts have answers, and templates have their time.
fn settle(options: &mut TextOptions, samples: &Samples, model: &ModelUse) -> Result<()> {
    pin_time(options, samples);
    check_answers(samples, options, model)
}

/// Texts can be attacked by their tokens too.
fn check_attacks(model: &ModelUse, attacks: &[Attack]) -> Result<()> {
    if model.spec().text.is_none() { check_class_attacks(attacks) } else { Ok(()) }
}

/// Nobody is both a member and none.
fn check_apart(members: &Samples, others: &Samples) -> Result<()> {
    if !members.is_same(others) {
        return Ok(());
    }
    let description = "is the split that the members are of; name samples that the model was not trained on";
    Err(Error::invalid("CONFLICTING_FIELDS", "test", description))
}

fn check_side(count: usize, field: &str) -> Result<()> {
    if count >= ATTACK_MINIMUM {
        return Ok(());
    }
    let description =
        format!("the selector picks {count} samples; membership inference needs at least {ATTACK_MINIMUM}");
    Err(precondition("TOO_FEW_SAMPLES", field, description))
}
