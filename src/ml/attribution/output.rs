//! The explained number of a row of logits, in f64.

use crate::domain::attribution::TargetOutput;

/// The logit, log probability or probability of class `target`.
pub(super) fn explained_output(logits: &[f32], target: u32, output: TargetOutput) -> f64 {
    let logit = logits.get(target as usize).map_or(f64::NAN, |&logit| f64::from(logit));
    match output {
        TargetOutput::Logit => logit,
        TargetOutput::LogProbability => logit - log_sum_exp(logits),
        TargetOutput::Probability => (logit - log_sum_exp(logits)).exp(),
    }
}

/// The class of the largest logit; of equal ones the first.
pub(super) fn predicted_class(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = class;
        }
    }
    best as u32
}

fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().fold(f64::NEG_INFINITY, |largest, &logit| largest.max(logit.into()));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
    largest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_softmax_and_its_logarithm() {
        let logits = [1.0_f32, 3.0, 2.0];
        let probability = 3.0_f64.exp() / (1.0_f64.exp() + 3.0_f64.exp() + 2.0_f64.exp());
        assert_eq!(explained_output(&logits, 1, TargetOutput::Logit), 3.0);
        assert!((explained_output(&logits, 1, TargetOutput::Probability) - probability).abs() < 1e-12);
        assert!((explained_output(&logits, 1, TargetOutput::LogProbability) - probability.ln()).abs() < 1e-12);
        assert_eq!(predicted_class(&logits), 1);
    }

    #[test]
    fn large_logits_do_not_overflow_and_nan_stays() {
        assert!((explained_output(&[1e4, 0.0], 0, TargetOutput::LogProbability)).abs() < 1e-12);
        assert!(explained_output(&[f32::NAN, 0.0], 1, TargetOutput::Probability).is_nan());
    }
}
