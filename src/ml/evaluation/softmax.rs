//! Log-softmax of one row of logits in f64, exact where it matters: the largest probability is kept by its distance from one,
//! so that very confident answers neither tie nor lose their digits.

/// log p of every class. With m the largest logit and S = Σ_{j≠m} exp(z_j − z_m): log p_i = z_i − z_m − log(1 + S).
#[derive(Debug, Clone, PartialEq)]
pub struct LogSoftmax {
    log_probabilities: Vec<f64>,
    top: usize,
    /// 1 − p_top = S / (1 + S).
    top_complement: f64,
}

impl LogSoftmax {
    /// Logits as a model gives them, taken to f64 before anything is computed.
    pub fn of_logits(logits: &[f32]) -> Self {
        Self::of(logits.iter().map(|logit| f64::from(*logit)).collect())
    }

    pub fn of(logits: Vec<f64>) -> Self {
        let top = (0..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best });
        let largest = logits.get(top).copied().unwrap_or_default();
        let mut shifted = logits;
        shifted.iter_mut().for_each(|logit| *logit -= largest);
        let others: f64 = shifted.iter().enumerate().filter(|(class, _)| *class != top).map(|(_, z)| z.exp()).sum();
        let normaliser = others.ln_1p();
        shifted.iter_mut().for_each(|logit| *logit -= normaliser);
        Self { log_probabilities: shifted, top, top_complement: others / (1.0 + others) }
    }

    pub fn class_count(&self) -> usize {
        self.log_probabilities.len()
    }

    /// The class of the largest logit; of equal ones the first.
    pub fn top(&self) -> usize {
        self.top
    }

    pub fn log_probability(&self, class: usize) -> f64 {
        self.log_probabilities[class]
    }

    pub fn probability(&self, class: usize) -> f64 {
        self.log_probabilities[class].exp()
    }

    /// 1 − p of the class, without cancellation.
    pub fn complement(&self, class: usize) -> f64 {
        if class == self.top { self.top_complement } else { 1.0 - self.probability(class) }
    }

    pub fn probabilities(&self) -> Vec<f64> {
        self.log_probabilities.iter().map(|log| log.exp()).collect()
    }

    /// Cross-entropy in nats against a label.
    pub fn loss(&self, label: usize) -> f64 {
        -self.log_probabilities[label]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn very_confident_answers_keep_their_digits() {
        let row = LogSoftmax::of(vec![60.0, 0.0]);
        assert!((row.loss(0) / (-60.0_f64).exp() - 1.0).abs() < 1e-12);
        assert!((row.complement(0) / (-60.0_f64).exp() - 1.0).abs() < 1e-12);
        assert_eq!(row.loss(1), 60.0);
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let row = LogSoftmax::of(vec![1e30, 1e30]);
        assert!((row.probability(1) - 0.5).abs() < 1e-15);
    }
}
