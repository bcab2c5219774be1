//! How likely a model finds an answer, from the log-probabilities of its tokens.
//!
//! Truth ratio (TOFU, Maini et al. 2024; OpenUnlearning's `truth_ratio`): wrong over right, each a probability per token, several
//! wrong answers by their geometric mean. OpenUnlearning adds 1e-10 below the line, which is less than the figure's last digit unless
//! the right answer is next to impossible; we leave it out and clamp instead.

const LEAST_PROBABILITY: f64 = 1e-10;

/// exp of the mean log-probability: the geometric mean of the tokens' probabilities. `None` without tokens.
pub fn answer_probability(log_probabilities: &[f64]) -> Option<f64> {
    loss_score(log_probabilities).map(f64::exp)
}

/// Yeom et al. 2018: the mean log-probability, the negated loss.
pub fn loss_score(log_probabilities: &[f64]) -> Option<f64> {
    let count = log_probabilities.len();
    (count > 0).then(|| log_probabilities.iter().sum::<f64>() / count as f64)
}

/// By how much a reference model finds the text less likely: its loss minus the model's.
pub fn reference_score(log_probabilities: &[f64], reference: &[f64]) -> Option<f64> {
    Some(loss_score(log_probabilities)? - loss_score(reference)?)
}

/// Wrong over right, by probability per token; `None` without wrong answers or with an answer without tokens.
pub fn truth_ratio(right: &[f64], wrong: &[Vec<f64>]) -> Option<f64> {
    let losses: Vec<f64> = wrong.iter().map(|answer| loss_score(answer)).collect::<Option<_>>()?;
    let right = answer_probability(right)?.max(LEAST_PROBABILITY);
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    (!losses.is_empty()).then(|| mean.exp() / right)
}

/// What a good truth ratio is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruthRatioSense {
    /// Of data to be forgotten: right and wrong are equally likely.
    Forget,
    /// Of data to be kept: right is likelier.
    Keep,
}

/// From 0 to 1, 1 is good: min(r, 1/r) or max(0, 1 − r).
pub fn truth_ratio_score(ratio: f64, sense: TruthRatioSense) -> f64 {
    match sense {
        TruthRatioSense::Forget if ratio > 1.0 => 1.0 / ratio,
        TruthRatioSense::Forget => ratio,
        TruthRatioSense::Keep => (1.0 - ratio).max(0.0),
    }
}
