//! Whether a class can still be told by its concepts: an L2-regularised logistic probe (C = 1, as scikit-learn's default) on
//! standardised projections, judged by the area under the curve on held-out rows, and each concept alone.

use crate::domain::{Error, Result};
use crate::ml::membership::features::{Features, StandardScaler};
use crate::ml::membership::logistic::LogisticRegression;
use crate::ml::membership::roc::Roc;

use super::classes::descending;
use super::rows::check;

const C: f64 = 1.0;
/// Rows of the class, and of others, that each side of the probe needs.
const LEAST: usize = 2;

/// How well a class is told by its concepts on held-out rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbedResidue {
    /// Of the probe on all concepts. Below .5 is not better than .5.
    pub auc: f64,
    /// Each concept's own area, in the direction in which it is larger; strongest first, then by name.
    pub concepts: Vec<(String, f64)>,
}

/// Fits the probe to training rows `[n, concepts]` and judges it on test rows.
pub fn probe(
    train_projections: &[f32],
    train_is_class: &[bool],
    test_projections: &[f32],
    test_is_class: &[bool],
    concepts: usize,
    names: &[String],
) -> Result<ProbedResidue> {
    let train = table(train_projections, train_is_class, concepts, "training")?;
    let test = table(test_projections, test_is_class, concepts, "test")?;
    let scaler = StandardScaler::fit(&train);
    let fit = LogisticRegression::fit(&scaler.transform(&train), train_is_class, C);
    let auc = area(&fit.decisions(&scaler.transform(&test)), test_is_class);
    Ok(ProbedResidue { auc, concepts: alone(&test, test_is_class, names) })
}

fn table(projections: &[f32], is_class: &[bool], concepts: usize, what: &str) -> Result<Features> {
    check(projections, concepts, &format!("{what} projections"))?;
    if projections.len() != is_class.len() * concepts {
        let message = format!("{what} projections: {} values for {} samples", projections.len(), is_class.len());
        return Err(Error::invalid("DIMENSION_MISMATCH", "", message));
    }
    let own = is_class.iter().filter(|own| **own).count();
    if own.min(is_class.len() - own) < LEAST {
        let message = format!(
            "the {what} rows hold {own} samples of the class and {} of others; a probe needs {LEAST} of each",
            is_class.len() - own
        );
        return Err(Error::failed_precondition("RESIDUE_NEEDS_BOTH_SIDES", message));
    }
    Ok(Features::new(concepts, projections.iter().copied().map(f64::from).collect()))
}

fn area(scores: &[f64], is_class: &[bool]) -> f64 {
    let side = |wanted: bool| -> Vec<f64> {
        scores.iter().zip(is_class).filter(|(_, own)| **own == wanted).map(|(score, _)| *score).collect()
    };
    Roc::new(&side(true), &side(false)).auc()
}

fn alone(test: &Features, is_class: &[bool], names: &[String]) -> Vec<(String, f64)> {
    let concepts = names.iter().enumerate().map(|(concept, name)| {
        let scores: Vec<f64> = test.rows().map(|row| row[concept]).collect();
        let auc = area(&scores, is_class);
        (name.clone(), auc.max(1.0 - auc))
    });
    let mut concepts: Vec<(String, f64)> = concepts.collect();
    concepts.sort_by(|left, right| descending(left.1, right.1).then_with(|| left.0.cmp(&right.0)));
    concepts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Concept 0 tells the class by its sign turned round, concept 1 says nothing.
    fn rows(count: u32, class_shift: f32) -> (Vec<f32>, Vec<bool>) {
        let is_class: Vec<bool> = (0..count).map(|row| row % 3 == 0).collect();
        let noise =
            |row: u32, salt: u32| (row.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 8) as f32 / 16_777_216.0;
        let row =
            |row: u32| [noise(row, 7) - if row.is_multiple_of(3) { class_shift } else { 0.0 }, noise(row * 5, 99)];
        ((0..count).flat_map(row).collect(), is_class)
    }

    #[test]
    fn a_class_told_by_one_concept_is_found_and_the_concept_named() {
        let ((train, train_is), (test, test_is)) = (rows(300, 2.0), rows(150, 2.0));
        let names = ["stripes".to_owned(), "sky".to_owned()];
        let found = probe(&train, &train_is, &test, &test_is, 2, &names).unwrap();
        assert_eq!(found.auc, 1.0);
        assert_eq!(found.concepts[0], ("stripes".to_owned(), 1.0));
        assert!(found.concepts[1].1 < 0.65);
    }

    #[test]
    fn a_class_like_the_others_is_not_told() {
        let ((train, train_is), (test, test_is)) = (rows(600, 0.0), rows(600, 0.0));
        let found = probe(&train, &train_is, &test, &test_is, 2, &["a".to_owned(), "b".to_owned()]).unwrap();
        assert!((found.auc - 0.5).abs() < 0.1, "{}", found.auc);
    }

    #[test]
    fn one_side_alone_is_refused() {
        let error = probe(&[1.0; 4], &[false; 4], &[1.0; 4], &[true; 4], 1, &["a".to_owned()]).unwrap_err();
        assert_eq!(error.reason, "RESIDUE_NEEDS_BOTH_SIDES");
    }
}
