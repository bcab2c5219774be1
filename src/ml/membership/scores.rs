//! Per-sample membership scores from logits. Higher means more likely a member.
//!
//! With p the softmax of the logits in f64 and y the true class:
//! - LOSS (Yeom et al., CSF 2018): log p_y
//! - CONFIDENCE (Salem et al., NDSS 2019): p_y
//! - ENTROPY: Σ p log p
//! - MODIFIED_ENTROPY (Song and Mittal, USENIX Security 2021): (1 − p_y) log p_y + Σ_{i≠y} p_i log(1 − p_i), logarithms of at
//!   least 1e-30. The code of SalUn, Unlearn-Sparse and RUM indexes columns by the label vector and takes log p_i for
//!   log(1 − p_i); this is the form of the paper.
//! - CORRECTNESS (the gap attack of Yeom et al.): 1 if the prediction is right.
//!
//! φ = log p_y − log(1 − p_y) is the logit of LiRA (Carlini et al., S&P 2022).
//!
//! We differ from the reference code where p is within 1e-16 of one: 1 − p keeps its digits instead of becoming zero, so that
//! confident samples are still told apart.

use crate::ml::evaluation::Predictions;
use crate::ml::evaluation::softmax::LogSoftmax;

/// Where modified entropy cuts its logarithms.
const ENTROPY_FLOOR: f64 = 1e-30;
/// Where φ cuts its logarithms: the smallest single-precision number, as in the reference code of LiRA.
const LOGIT_FLOOR: f64 = 1e-45;

/// A score of one sample: its log-softmax and true class.
pub type Score = fn(&LogSoftmax, usize) -> f64;

/// The score of every sample, in order.
pub fn scores(predictions: &Predictions, score: Score) -> Vec<f64> {
    predictions.log_softmax().map(|(row, label)| score(&row, label)).collect()
}

pub fn loss(row: &LogSoftmax, label: usize) -> f64 {
    row.log_probability(label)
}

pub fn confidence(row: &LogSoftmax, label: usize) -> f64 {
    row.probability(label)
}

pub fn entropy(row: &LogSoftmax, _label: usize) -> f64 {
    let terms = (0..row.class_count()).map(|class| (row.probability(class), row.log_probability(class)));
    // p log p is 0 at p = 0, also where the logarithm is −∞.
    terms.filter(|(p, _)| *p > 0.0).map(|(p, log)| p * log).sum()
}

pub fn modified_entropy(row: &LogSoftmax, label: usize) -> f64 {
    let term = |class: usize| match class == label {
        true => row.complement(class) * floored(row.log_probability(class)),
        false => row.probability(class) * floored(row.complement(class).ln()),
    };
    (0..row.class_count()).map(term).sum()
}

fn floored(log: f64) -> f64 {
    log.max(ENTROPY_FLOOR.ln())
}

pub fn correctness(row: &LogSoftmax, label: usize) -> f64 {
    f64::from(u8::from(row.top() == label))
}

/// φ = log p_y − log Σ_{i≠y} p_i, both at least log 1e-45.
pub fn logit(row: &LogSoftmax, label: usize) -> f64 {
    let floor = LOGIT_FLOOR.ln();
    row.log_probability(label).max(floor) - row.complement(label).ln().max(floor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < 5e-10, "{value} instead of {expected}");
    }

    fn of_probabilities(probabilities: &[f64]) -> LogSoftmax {
        LogSoftmax::of(probabilities.iter().map(|p| p.ln()).collect())
    }

    #[test]
    fn published_examples_of_modified_entropy_entropy_and_logit() {
        let row = of_probabilities(&[0.7, 0.2, 0.1]);
        close(-modified_entropy(&row, 0), 0.162_167_245);
        close(-entropy(&row, 0), 0.801_818_553);
        close(logit(&row, 0), 0.847_297_860);
        close(-modified_entropy(&row, 2), 2.959_736_257);
        close(logit(&row, 2), -2.197_224_577);
        let uniform = of_probabilities(&[1.0 / 3.0; 3]);
        close(-modified_entropy(&uniform, 1), 1.002_718_265);
        close(logit(&uniform, 1), -std::f64::consts::LN_2);
    }

    #[test]
    fn one_hot_answers_meet_the_floors() {
        let row = LogSoftmax::of(vec![0.0, -2000.0, -2000.0]);
        assert_eq!(modified_entropy(&row, 0), 0.0);
        assert_eq!(entropy(&row, 0), 0.0);
        assert!((logit(&row, 0) - 103.616).abs() < 1e-3);
        close(-modified_entropy(&row, 1), 138.155_105_580);
    }

    proptest! {
        #[test]
        fn renaming_the_classes_changes_no_score(logits in prop::collection::vec(-20.0..20.0_f64, 2..8), turn in 1..8_usize) {
            let count = logits.len();
            let mut turned = logits.clone();
            turned.rotate_right(turn % count);
            let (row, turned) = (LogSoftmax::of(logits), LogSoftmax::of(turned));
            for label in 0..count {
                let moved = (label + turn) % count;
                for score in [loss, confidence, entropy, modified_entropy, logit] as [Score; 5] {
                    let (one, other) = (score(&row, label), score(&turned, moved));
                    prop_assert!((one - other).abs() <= 1e-9 * (1.0 + one.abs()), "{one} and {other}");
                }
            }
        }

        #[test]
        fn scores_follow_the_order_of_the_samples(logits in prop::collection::vec(-9.0..9.0_f32, 12)) {
            let predictions = Predictions { class_count: 3, logits, labels: vec![0, 2, 1, 1] };
            let order = [2, 0, 3, 1];
            let straight = scores(&predictions, modified_entropy);
            let permuted = scores(&predictions.subset(&order), modified_entropy);
            prop_assert_eq!(permuted, order.map(|index| straight[index]).to_vec());
        }
    }
}
