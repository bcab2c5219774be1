//! Rows of f32 as they come from a model, read in f64.

use crate::domain::{Error, Result};

/// Beyond this activations leave no room for the arithmetic of a fit.
const MOST_MAGNITUDE: f32 = 1e12;

/// Refuses activations that no fit can work with.
pub(super) fn check_magnitude<'a>(mut values: impl Iterator<Item = &'a f32>) -> Result<()> {
    match values.find(|value| value.abs() > MOST_MAGNITUDE) {
        None => Ok(()),
        Some(value) => Err(Error::failed_precondition(
            "ACTIVATIONS_TOO_LARGE",
            format!(
                "the model's activations reach {value:e}, beyond {MOST_MAGNITUDE:e}; rescale its embedding, or use a donor rule without concepts (NEAREST_CLASS)"
            ),
        )),
    }
}

/// Refuses what is not whole rows of finite numbers. `what` names the values in the message.
pub(super) fn check(values: &[f32], dim: usize, what: &str) -> Result<()> {
    if dim == 0 || !values.len().is_multiple_of(dim) {
        let message = format!("{what}: {} values are not whole rows of {dim}", values.len());
        return Err(Error::invalid("DIMENSION_MISMATCH", "", message));
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => check_magnitude(values.iter()),
        Some(index) => {
            let message = format!("{what}: row {} holds a value that is not finite; check the samples", index / dim);
            Err(Error::invalid("NON_FINITE_VALUES", "", message))
        }
    }
}

/// Refuses labels that are not one for each of `rows` rows, or not below `classes`: what the engine hands over is its own, so that is
/// a defect and no mistake of a caller.
pub(super) fn check_labels(labels: &[u32], rows: usize, classes: usize) -> Result<()> {
    if labels.len() != rows {
        return Err(Error::internal(format!("{} labels for {rows} rows of values", labels.len())));
    }
    match labels.iter().find(|label| **label as usize >= classes) {
        None => Ok(()),
        Some(label) => Err(Error::internal(format!("a label of {label} among {classes} classes"))),
    }
}

pub(super) fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// Σ row·vector with a row of f32.
pub(super) fn project(row: &[f32], vector: &[f64]) -> f64 {
    row.iter().zip(vector).map(|(value, weight)| f64::from(*value) * weight).sum()
}
