//! Requests that cannot be planned.

use crate::domain::finetune::Method;
use crate::domain::poison::PoisonImageMode;
use crate::domain::{Error, Result};

use super::PoisonInputs;
use super::needs::{needs_donors, needs_forget_logits};
use crate::ml::poison::population::Population;

pub(super) fn check(inputs: &PoisonInputs<'_>, population: &Population<'_>) -> Result<()> {
    check_forget(inputs, population)?;
    check_image_mode(inputs)?;
    check_logits(inputs, population)?;
    if let Some(concepts) = inputs.concepts {
        concepts.check(inputs.class_count, population.forget.len())?;
    }
    let needs_retain = match inputs.method {
        Method::Poison | Method::RandomLabel => !inputs.spec.allow_no_retain,
        Method::Train | Method::Retrain | Method::Finetune | Method::NegGradPlus => true,
    };
    if needs_retain && population.retain.is_empty() {
        let description = "takes the whole split, so that no sample is left to retain; narrow it or, for poisoning, set `allow_no_retain`";
        return Err(Error::failed_precondition("EMPTY_RETAIN_SET", format!("forget: {description}"))
            .with_violation("forget", description));
    }
    Ok(())
}

fn check_forget(inputs: &PoisonInputs<'_>, population: &Population<'_>) -> Result<()> {
    match inputs.method {
        Method::Train if !population.forget.is_empty() => Err(Error::invalid(
            "FORGET_SET_NOT_USED",
            "forget",
            "plain training has no forget set; leave it empty, or use RETRAIN to train without these samples",
        )),
        Method::Train => Ok(()),
        Method::Poison | Method::Retrain | Method::Finetune | Method::RandomLabel | Method::NegGradPlus => {
            if !population.forget.is_empty() {
                return Ok(());
            }
            let present: Vec<u32> =
                (0..inputs.class_count).filter(|class| inputs.labels.contains(class)).take(50).collect();
            let classes = population.class_list(&present);
            let description = format!("no sample of the split matches; its classes are {classes}");
            Err(Error::invalid("EMPTY_FORGET_SET", "forget", description))
        }
    }
}

/// Pixels come from donors, which only these labels have.
fn check_image_mode(inputs: &PoisonInputs<'_>) -> Result<()> {
    let spec = inputs.spec;
    if spec.image_mode == PoisonImageMode::None || needs_donors(spec, inputs.method) {
        return Ok(());
    }
    let description =
        "pixels are taken from a donor class: use the method POISON with labels TARGETED or KEEP, or image_mode NONE";
    Err(Error::invalid("IMAGE_MODE_NEEDS_DONOR", "image_mode", description))
}

fn check_logits(inputs: &PoisonInputs<'_>, population: &Population<'_>) -> Result<()> {
    if !needs_forget_logits(inputs.spec, inputs.method) {
        return Ok(());
    }
    let expected = population.forget.len() * inputs.class_count as usize;
    let Some(logits) = inputs.forget_logits else {
        return Err(Error::internal("planning needs the model's logits on the forget set"));
    };
    if logits.len() != expected {
        return Err(Error::internal(format!("expected {expected} forget logits, got {}", logits.len())));
    }
    if logits.iter().any(|logit| !logit.is_finite()) {
        return Err(Error::failed_precondition(
            "NON_FINITE_LOGITS",
            "the model gives non-finite logits on the forget set; its weights or the preprocessing are damaged",
        ));
    }
    Ok(())
}
