//! What an attack refuses to work on.

use super::report::{AttackInputs, OriginalInputs};
use crate::domain::{Error, Result};
use crate::ml::evaluation::Predictions;

/// Below this many samples of a side no figure means anything.
const SIDE_MINIMUM: usize = 10;

/// Enough samples, and predictions that make sense.
pub(super) fn usable(side: &str, predictions: &Predictions) -> Result<()> {
    enough(side, predictions.len())?;
    predictions.validate()
}

pub(super) fn enough(side: &str, count: usize) -> Result<()> {
    if count >= SIDE_MINIMUM {
        return Ok(());
    }
    Err(Error::failed_precondition(
        "TOO_FEW_SAMPLES",
        format!("{count} {side}; membership inference needs at least {SIDE_MINIMUM}, so select more samples"),
    ))
}

pub(super) fn same_classes(left: &Predictions, right: &Predictions) -> Result<()> {
    let (left, right) = (left.class_count, right.class_count);
    if left == right {
        return Ok(());
    }
    let message =
        format!("predictions over {left} and over {right} classes cannot be compared; use models of one kind");
    Err(Error::invalid("CLASS_COUNT_MISMATCH", "", message))
}

/// The original model's predictions, made on the same samples as this model's.
pub(super) fn original(inputs: &AttackInputs) -> Result<&OriginalInputs> {
    let Some(original) = &inputs.original else {
        return Err(Error::failed_precondition(
            "ORIGINAL_MISSING",
            "FORGETTING_RATE compares with the model before unlearning, and this version has no parent; set `original`",
        ));
    };
    let pairs = [(&original.members, &inputs.forget_members), (&original.non_members, &inputs.forget_non_members)];
    for (before, after) in pairs {
        before.validate()?;
        same_classes(before, after)?;
        if before.labels != after.labels {
            return Err(Error::internal("original and unlearned model were not run on the same samples"));
        }
    }
    Ok(original)
}
