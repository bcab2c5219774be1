//! The gap attack (Yeom et al., CSF 2018): who is classified correctly is called a member.
//!
//! Its accuracy on balanced sides, ½ (1 + accuracy of members − accuracy of non-members), is the rate; unlike the balanced
//! accuracy of the report it may lie below one half.

use super::outcome::Outcome;
use super::scores::{correctness, scores};
use crate::ml::evaluation::Predictions;

pub fn correctness_gap(members: &Predictions, non_members: &Predictions) -> Outcome {
    let (members, non_members) = (scores(members, correctness), scores(non_members, correctness));
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    let rate = 0.5 * (1.0 + mean(&members) - mean(&non_members));
    Outcome { members, non_members, rate: Some(rate), converged: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_follows_both_accuracies() {
        let side =
            |labels: &[u32]| Predictions { class_count: 2, logits: [1.0, 0.0].repeat(4), labels: labels.to_vec() };
        let outcome = correctness_gap(&side(&[0, 0, 0, 1]), &side(&[0, 1, 1, 1]));
        assert_eq!(outcome.rate, Some(0.75));
        assert_eq!(outcome.members, [1.0, 1.0, 1.0, 0.0]);
    }
}
