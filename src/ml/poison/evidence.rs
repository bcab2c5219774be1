//! What planning knows about concepts: what the classes owe to them and how much of each the forgotten samples show.

use crate::domain::concept::ConceptSign;
use crate::domain::poison::PoisonSpec;
use crate::domain::{Error, Result};
use crate::ml::concept::classes::rank;

/// Concepts of a class that count where the caller does not say (M).
const DEFAULT_TOP_CONCEPTS: usize = 3;

/// Made from a concept bank, the sparse layer fitted on it and the samples' projections.
#[derive(Debug, Clone, PartialEq)]
pub struct ConceptEvidence {
    pub names: Vec<String>,
    /// Of the sparse layer (PCBM): `weights[class * concepts + concept]`.
    pub weights: Vec<f64>,
    /// Of the forget set, in ascending position: `[forget, concepts]`; for `SelectionOrder::TopConcept`.
    pub projections: Option<Vec<f32>>,
}

impl ConceptEvidence {
    /// # Errors
    /// Where the parts do not fit each other (internal), `NON_FINITE_CONCEPTS` where a number is not one.
    pub(super) fn check(&self, class_count: u32, forget_count: usize) -> Result<()> {
        let (concepts, weights) = (self.names.len(), self.weights.len());
        if concepts == 0 || weights != concepts * class_count as usize {
            return Err(Error::internal(format!(
                "{weights} weights for {class_count} classes and {concepts} concepts"
            )));
        }
        let projections = self.projections.as_deref().unwrap_or_default();
        if self.projections.is_some() && projections.len() != concepts * forget_count {
            return Err(Error::internal(format!("{} projections of {forget_count} samples", projections.len())));
        }
        match self.weights.iter().all(|weight| weight.is_finite()) && projections.iter().all(|value| value.is_finite())
        {
            true => Ok(()),
            false => Err(Error::failed_precondition(
                "NON_FINITE_CONCEPTS",
                "the concepts of the classes or of the forget set are not finite; the model's weights or the concept bank are damaged",
            )),
        }
    }

    /// The concepts that a class owes most, at most `count`; none that counts against it.
    fn heaviest(&self, class: u32, count: usize) -> Vec<usize> {
        let row = &self.weights[class as usize * self.names.len()..][..self.names.len()];
        rank(row, &self.names, count, ConceptSign::Positive)
    }

    /// Summed projections of each forgotten sample on the heaviest concepts of its class: 0 where it owes nothing to any concept.
    /// Absent without projections.
    pub(super) fn scores(&self, forget_labels: &[u32], spec: &PoisonSpec) -> Option<Vec<f64>> {
        let count = if spec.top_concepts == 0 { DEFAULT_TOP_CONCEPTS } else { spec.top_concepts as usize };
        self.summed(forget_labels, count)
    }

    fn summed(&self, forget_labels: &[u32], count: usize) -> Option<Vec<f64>> {
        let highest = forget_labels.iter().max().map_or(0, |&class| class + 1);
        let heaviest: Vec<Vec<usize>> = (0..highest).map(|class| self.heaviest(class, count)).collect();
        let rows = self.projections.as_deref()?.chunks_exact(self.names.len());
        // Not `sum`: of nothing it is -0.
        let score = |(row, &class): (&[f32], &u32)| {
            heaviest[class as usize].iter().fold(0.0, |sum, &concept| sum + f64::from(row[concept]))
        };
        Some(rows.zip(forget_labels).map(score).collect())
    }
}

/// What is wrong where something asks for concepts and none are there.
pub(super) fn concepts_missing(asker: &str) -> Error {
    Error::failed_precondition(
        "CONCEPTS_MISSING",
        format!(
            "{asker} needs concepts of the model's classes; name a `concept_bank` that fits the model, or choose another"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> ConceptEvidence {
        ConceptEvidence {
            names: ["wing", "ear", "hoof"].map(String::from).to_vec(),
            weights: vec![1.0, 2.0, 1.0, -1.0, -2.0, -3.0],
            projections: Some(vec![1.0, 10.0, 100.0, 2.0, 20.0, 200.0]),
        }
    }

    #[test]
    fn the_heaviest_concepts_come_first_and_ties_go_by_name() {
        assert_eq!(evidence().heaviest(0, 2), [1, 2]);
        assert_eq!(evidence().heaviest(0, 9), [1, 2, 0]);
    }

    #[test]
    fn concepts_that_count_against_a_class_do_not_choose_its_samples() {
        let mut evidence = evidence();
        evidence.weights[..3].copy_from_slice(&[-1.0, 0.5, 0.0]);
        assert_eq!(evidence.heaviest(0, 3), [1]);
        assert_eq!(evidence.summed(&[0, 0], 3).unwrap(), [10.0, 20.0]);
        assert_eq!(evidence.summed(&[1, 1], 3).unwrap(), [0.0, 0.0], "class 1 owes nothing");
    }

    #[test]
    fn parts_that_do_not_fit_or_are_not_numbers_are_refused() {
        assert!(evidence().check(2, 2).is_ok());
        assert!(evidence().check(3, 2).is_err());
        assert!(evidence().check(2, 3).is_err());
        let mut damaged = evidence();
        damaged.weights[0] = f64::NAN;
        assert_eq!(damaged.check(2, 2).unwrap_err().reason, "NON_FINITE_CONCEPTS");
    }
}
