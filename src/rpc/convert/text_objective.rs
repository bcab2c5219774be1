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
    if let Some(numbers) = &numbers {
        check_numbers(numbers, method)?;
    }
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
        | pb::Method::NegGradPlus => Objective::Supervised,
    })
}

/// Numbers that are given are ones of the method.
fn check_numbers(numbers: &Numbers, method: pb::Method) -> Result<()> {
    use pb::Method::{GradDiff, Npo, Rmu, Simnpo};
    let Numbers { gamma: _, alpha: _, beta, delta, retain, layer, coefficient } = numbers;
    let owners: [(&str, bool, &[pb::Method]); 6] = [
        ("objective", true, &[GradDiff, Npo, Simnpo, Rmu]),
        ("objective.beta", beta.is_some(), &[Npo, Simnpo]),
        ("objective.delta", delta.is_some(), &[Simnpo]),
        ("objective.retain", *retain != 0, &[GradDiff, Npo, Simnpo]),
        ("objective.layer", layer.is_some(), &[Rmu]),
        ("objective.coefficient", coefficient.is_some(), &[Rmu]),
    ];
    match owners.into_iter().find(|(_, is_given, owners)| *is_given && !owners.contains(&method)) {
        None => Ok(()),
        Some((field, _, owners)) => {
            let names: Vec<&str> =
                owners.iter().map(|owner| owner.as_str_name().trim_start_matches("METHOD_")).collect();
            let description = format!("is for {} alone; leave it out, or name such a method", names.join(", "));
            Err(Error::invalid("CONFLICTING_FIELDS", field, description))
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_another_method_are_refused_by_name() {
        let field = |numbers: Numbers, method| {
            let error = objective(Some(numbers), method).unwrap_err();
            assert_eq!(error.reason, "CONFLICTING_FIELDS");
            error.violations[0].field.clone()
        };
        let beta = Numbers { beta: Some(1.0), ..Numbers::default() };
        let delta = Numbers { delta: Some(1.0), ..Numbers::default() };
        let layer = Numbers { layer: Some(3), ..Numbers::default() };
        assert_eq!(field(Numbers::default(), pb::Method::Poison), "objective");
        assert_eq!(field(beta, pb::Method::GradDiff), "objective.beta");
        assert_eq!(field(delta, pb::Method::Npo), "objective.delta");
        assert_eq!(field(layer, pb::Method::Simnpo), "objective.layer");
        assert!(objective(Some(layer), pb::Method::Rmu).is_ok() && objective(Some(beta), pb::Method::Npo).is_ok());
    }

    #[test]
    fn what_is_told_of_an_objective_is_taken_back() {
        for method in [pb::Method::GradDiff, pb::Method::Npo, pb::Method::Simnpo, pb::Method::Rmu] {
            let usual = objective(None, method).unwrap();
            assert_eq!(objective(wire_objective(usual), method).unwrap(), usual);
        }
    }
}
