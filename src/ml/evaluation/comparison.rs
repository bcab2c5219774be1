//! A version against a reference trained without the forget set.
//!
//! Average gap: Fan et al., SalUn (ICLR 2024). Tug of war: Zhao et al., RUM (NeurIPS 2024), Π (1 − |acc − acc_reference|)
//! over forget train, retain train and retain test.

use super::divergence::js_divergence;
use crate::domain::evaluation::{Accuracy, ReferenceComparison, SplitEvaluation};
use crate::domain::ids::VersionName;

/// The figures of one model on both splits.
#[derive(Debug, Clone)]
pub struct Figures {
    pub train: Option<SplitEvaluation>,
    pub test: SplitEvaluation,
}

/// Compares a version with a reference evaluated on the same samples.
pub fn compare(version: &Figures, name: VersionName, reference: Figures) -> ReferenceComparison {
    let js_divergence = js_divergence(&version.test.mean_softmax, &reference.test.mean_softmax);
    let average_gap = average_gap(version, &reference);
    let tug_of_war = tug_of_war(&tug_of_war_gaps(version, &reference));
    ReferenceComparison {
        reference: name,
        train: reference.train,
        test: reference.test,
        js_divergence,
        average_gap,
        tug_of_war,
    }
}

/// Π (1 − gap).
pub fn tug_of_war(gaps: &[f64]) -> f64 {
    gaps.iter().map(|gap| 1.0 - gap).product()
}

/// The mean over forget and retained samples of both splits; sides without samples are left out.
fn average_gap(version: &Figures, reference: &Figures) -> f64 {
    let mut gaps = split_gaps(&version.test, &reference.test);
    if let (Some(version), Some(reference)) = (&version.train, &reference.train) {
        gaps.extend(split_gaps(version, reference));
    }
    gaps.iter().sum::<f64>() / gaps.len().max(1) as f64
}

/// Forget train, retain train, retain test. Without a train split the forget samples of test stand in for those of train.
fn tug_of_war_gaps(version: &Figures, reference: &Figures) -> Vec<f64> {
    match (&version.train, &reference.train) {
        (Some(train), Some(reference_train)) => {
            let mut gaps = split_gaps(train, reference_train);
            gaps.extend(gap(&version.test.retain, &reference.test.retain));
            gaps
        }
        (None, _) | (_, None) => split_gaps(&version.test, &reference.test),
    }
}

fn split_gaps(version: &SplitEvaluation, reference: &SplitEvaluation) -> Vec<f64> {
    let sides = [(&version.forget, &reference.forget), (&version.retain, &reference.retain)];
    sides.into_iter().filter_map(|(version, reference)| gap(version, reference)).collect()
}

fn gap(version: &Accuracy, reference: &Accuracy) -> Option<f64> {
    (version.total > 0 && reference.total > 0).then(|| (version.value - reference.value).abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::evaluation::wilson::accuracy;

    fn split(forget: u64, retain: u64, mean_softmax: Vec<f64>) -> SplitEvaluation {
        SplitEvaluation {
            forget: accuracy(forget, 100),
            retain: accuracy(retain, 100),
            mean_softmax,
            ..SplitEvaluation::default()
        }
    }

    fn name() -> VersionName {
        "models/m/versions/1".parse().unwrap()
    }

    #[test]
    fn tug_of_war_is_the_product_of_what_remains() {
        assert!((tug_of_war(&[0.0, 0.0274, 0.01]) - 0.962_874).abs() < 1e-12);
    }

    #[test]
    fn gaps_run_over_both_splits() {
        let version = Figures { train: Some(split(0, 90, vec![0.5, 0.5])), test: split(10, 80, vec![1.0, 0.0]) };
        let reference = Figures { train: Some(split(10, 94, vec![0.5, 0.5])), test: split(10, 82, vec![0.0, 1.0]) };
        let comparison = compare(&version, name(), reference);
        assert!((comparison.average_gap - (0.1 + 0.04 + 0.0 + 0.02) / 4.0).abs() < 1e-12);
        assert!((comparison.tug_of_war - 0.9 * 0.96 * 0.98).abs() < 1e-12);
        assert!((comparison.js_divergence - std::f64::consts::LN_2).abs() < 1e-12);
    }

    #[test]
    fn without_a_train_split_the_test_split_stands_in() {
        let version = Figures { train: None, test: split(0, 80, vec![]) };
        let comparison = compare(&version, name(), Figures { train: None, test: split(20, 90, vec![]) });
        assert!((comparison.tug_of_war - 0.8 * 0.9).abs() < 1e-12);
        assert!((comparison.average_gap - 0.15).abs() < 1e-12);
    }
}
