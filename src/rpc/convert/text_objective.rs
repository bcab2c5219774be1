//! unlearning.proto: what is minimised, by the method and its numbers.

use super::fields::{known, number};
use crate::domain::text_training::{Objective, RetainLoss};
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::text_trainer_spec::{Objective as Numbers, objective};

const NPO_BETA: f64 = 0.1;
const SIMNPO_BETA: f64 = 4.5;
const RMU_COEFFICIENT: f64 = 20.0;

/// The objective of a method with these numbers.
///
/// # Errors
/// `CONFLICTING_FIELDS` for numbers that the method does not have.
pub(super) fn objective(numbers: Option<Numbers>, method: pb::Method) -> Result<Objective> {
    let given = numbers.is_some();
    let numbers = numbers.unwrap_or_default();
    let (gamma, alpha) = (weight(numbers.gamma, "objective.gamma")?, weight(numbers.alpha, "objective.alpha")?);
    let retain = retain(numbers.retain)?;
    Ok(match method {
        pb::Method::GradDiff => Objective::GradDiff { gamma, alpha, retain },
        pb::Method::Npo => {
            let beta = positive(numbers.beta.unwrap_or(NPO_BETA), "objective.beta")?;
            Objective::Npo { beta, gamma, alpha, retain }
        }
        pb::Method::Simnpo => {
            let beta = positive(numbers.beta.unwrap_or(SIMNPO_BETA), "objective.beta")?;
            let delta = numbers.delta.unwrap_or_default();
            let delta = number(delta, |delta| delta >= 0.0, "at least 0", "objective.delta")?;
            Objective::SimNpo { beta, delta, gamma, alpha, retain }
        }
        pb::Method::Rmu => {
            let coefficient = positive(numbers.coefficient.unwrap_or(RMU_COEFFICIENT), "objective.coefficient")?;
            Objective::Rmu { layer: numbers.layer, coefficient, gamma, alpha }
        }
        pb::Method::Unspecified
        | pb::Method::Poison
        | pb::Method::Train
        | pb::Method::Retrain
        | pb::Method::Finetune
        | pb::Method::RandomLabel
        | pb::Method::NegGradPlus => {
            if given {
                let description =
                    "belongs to the methods GRAD_DIFF, NPO, SIMNPO and RMU; name one of them, or leave it out";
                return Err(Error::invalid("CONFLICTING_FIELDS", "objective", description));
            }
            Objective::Supervised
        }
    })
}

fn weight(value: Option<f64>, field: &str) -> Result<f64> {
    number(value.unwrap_or(1.0), |value| value >= 0.0, "at least 0", field)
}

fn positive(value: f64, field: &str) -> Result<f64> {
    number(value, |value| value > 0.0, "above 0", field)
}

fn retain(value: i32) -> Result<RetainLoss> {
    Ok(match known(value, "objective.retain")? {
        objective::RetainLoss::Unspecified | objective::RetainLoss::Likelihood => RetainLoss::Likelihood,
        objective::RetainLoss::Divergence => RetainLoss::Divergence,
    })
}

/// The numbers of an objective; plain training has none.
pub(super) fn wire_objective(value: Objective) -> Option<Numbers> {
    let weights = |gamma, alpha| Numbers { gamma: Some(gamma), alpha: Some(alpha), ..Numbers::default() };
    Some(match value {
        Objective::Supervised => return None,
        Objective::GradDiff { gamma, alpha, retain } => {
            Numbers { retain: wire_retain(retain), ..weights(gamma, alpha) }
        }
        Objective::Npo { beta, gamma, alpha, retain } => {
            Numbers { beta: Some(beta), retain: wire_retain(retain), ..weights(gamma, alpha) }
        }
        Objective::SimNpo { beta, delta, gamma, alpha, retain } => {
            Numbers { beta: Some(beta), delta: Some(delta), retain: wire_retain(retain), ..weights(gamma, alpha) }
        }
        Objective::Rmu { layer, coefficient, gamma, alpha } => {
            Numbers { layer, coefficient: Some(coefficient), ..weights(gamma, alpha) }
        }
    })
}

fn wire_retain(value: RetainLoss) -> i32 {
    match value {
        RetainLoss::Likelihood => objective::RetainLoss::Likelihood,
        RetainLoss::Divergence => objective::RetainLoss::Divergence,
    }
    .into()
}
