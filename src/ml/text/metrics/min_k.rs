//! Min-K% (Shi et al. 2024) and Min-K%++ (Zhang et al. 2025): the mean of the lowest scores of a text's tokens.
//!
//! The lowest max(1, ⌊k·n⌋): references take ⌊k·n⌋ and give NaN for short texts. Min-K%++ scores (log p − μ)/σ with the mean μ and
//! the deviation σ of log p over the vocabulary, σ² of at least 1e-6: a uniform distribution has none but rounding.

use serde::{Deserialize, Serialize};

const LEAST_VARIANCE: f64 = 1e-6;

/// What a model says at one place of a text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TokenDistribution {
    /// Of the token that stands there.
    pub log_probability: f64,
    /// Σ p·log p over the vocabulary.
    pub mean: f64,
    /// Σ p·log² p − mean².
    pub variance: f64,
}

impl TokenDistribution {
    /// From log-probabilities of the whole vocabulary.
    pub fn of(log_probabilities: &[f64], token: usize) -> Option<Self> {
        // p·log p is 0 at p = 0.
        let moment = |power: i32| -> f64 {
            let finite = log_probabilities.iter().filter(|log| log.is_finite());
            finite.map(|log| log.exp() * log.powi(power)).sum()
        };
        let mean = moment(1);
        let log_probability = *log_probabilities.get(token)?;
        Some(Self { log_probability, mean, variance: moment(2) - mean * mean })
    }

    pub fn standardised(&self) -> f64 {
        (self.log_probability - self.mean) / self.variance.max(LEAST_VARIANCE).sqrt()
    }
}

/// Mean of the lowest share `k` of log-probabilities; `None` without tokens or with `k` outside (0, 1].
pub fn min_k(log_probabilities: &[f64], k: f64) -> Option<f64> {
    if log_probabilities.is_empty() || !(k > 0.0 && k <= 1.0) {
        return None;
    }
    let mut sorted = log_probabilities.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = ((k * sorted.len() as f64).floor() as usize).max(1);
    Some(sorted[..count].iter().sum::<f64>() / count as f64)
}

pub fn min_k_plus_plus(tokens: &[TokenDistribution], k: f64) -> Option<f64> {
    let scores: Vec<f64> = tokens.iter().map(TokenDistribution::standardised).collect();
    min_k(&scores, k)
}
