//! What a model answered on a set of samples: the one input of evaluation and of membership inference.

use super::softmax::LogSoftmax;
use crate::domain::{Error, Result};

/// Logits `[N, K]` row by row, and the N true labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Predictions {
    pub class_count: usize,
    /// `logits[row * class_count + class]`.
    pub logits: Vec<f32>,
    /// The true class of each row, below `class_count`.
    pub labels: Vec<u32>,
}

impl Predictions {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The logits of one sample.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.logits[index * self.class_count..(index + 1) * self.class_count]
    }

    /// Every sample's logits with its label.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&[f32], usize)> {
        // `chunks_exact` refuses zero; `validate` has refused such predictions where it matters.
        self.logits.chunks_exact(self.class_count.max(1)).zip(self.labels.iter().map(|label| *label as usize))
    }

    /// The samples at `indices`, in that order.
    pub fn subset(&self, indices: &[usize]) -> Self {
        Self {
            class_count: self.class_count,
            logits: indices.iter().flat_map(|index| self.row(*index)).copied().collect(),
            labels: indices.iter().map(|index| self.labels[*index]).collect(),
        }
    }

    /// Adds the samples of a batch: its logits row by row, and their labels.
    pub fn extend(&mut self, logits: &[f32], labels: &[u32]) {
        self.logits.extend_from_slice(logits);
        self.labels.extend_from_slice(labels);
    }

    /// Every sample's predicted class.
    pub fn predicted(&self) -> Vec<usize> {
        self.rows().map(|(row, _)| argmax(row)).collect()
    }

    /// Every sample's log-softmax with its label, in f64.
    pub fn log_softmax(&self) -> impl ExactSizeIterator<Item = (LogSoftmax, usize)> {
        self.rows().map(|(row, label)| (LogSoftmax::of_logits(row), label))
    }

    /// Every sample's class probabilities, in f64.
    pub fn softmax(&self) -> impl ExactSizeIterator<Item = Vec<f64>> {
        self.log_softmax().map(|(row, _)| row.probabilities())
    }

    /// Refuses fewer than two classes, shapes and labels that do not fit, and logits that are not finite.
    pub fn validate(&self) -> Result<()> {
        let classes = self.class_count;
        if classes < 2 {
            return Err(Error::invalid("TOO_FEW_CLASSES", "", format!("{classes} classes; at least two are needed")));
        }
        if self.logits.len() != self.len() * classes {
            let (given, rows) = (self.logits.len(), self.len());
            return Err(Error::internal(format!("{given} logits do not fit {rows} samples of {classes} classes")));
        }
        if let Some(index) = self.labels.iter().position(|label| *label as usize >= classes) {
            let label = self.labels[index];
            let message = format!("sample {index} has label {label}, but the model knows {classes} classes");
            return Err(Error::failed_precondition("CLASS_COUNT_MISMATCH", message));
        }
        self.check_finite()
    }

    fn check_finite(&self) -> Result<()> {
        let Some(position) = self.logits.iter().position(|logit| !logit.is_finite()) else {
            return Ok(());
        };
        let (sample, class, value) = (position / self.class_count, position % self.class_count, self.logits[position]);
        Err(Error::failed_precondition(
            "NON_FINITE_LOGITS",
            format!("the model answers {value} for class {class} of sample {sample}; check its weights and precision"),
        ))
    }
}

/// The class of the largest logit; of equal ones the first.
pub fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (class, logit) in row.iter().enumerate() {
        if *logit > row[best] {
            best = class;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Predictions {
        Predictions { class_count: 2, logits: vec![0.0, 1.0, 2.0, 2.0, 5.0, -5.0], labels: vec![1, 0, 1] }
    }

    #[test]
    fn argmax_takes_the_first_of_equal_logits() {
        assert_eq!(three().predicted(), [1, 0, 0]);
    }

    #[test]
    fn subset_keeps_the_order_asked_for() {
        let subset = three().subset(&[2, 0]);
        assert_eq!(subset.logits, [5.0, -5.0, 0.0, 1.0]);
        assert_eq!(subset.labels, [1, 1]);
    }

    #[test]
    fn unusable_predictions_are_refused_with_a_reason() {
        let reason = |predictions: Predictions| predictions.validate().unwrap_err().reason;
        assert_eq!(reason(Predictions { class_count: 1, ..three() }), "TOO_FEW_CLASSES");
        assert_eq!(reason(Predictions { labels: vec![0, 1, 2], ..three() }), "CLASS_COUNT_MISMATCH");
        assert_eq!(reason(Predictions { logits: vec![0.0; 5], ..three() }), "INTERNAL");
        let mut broken = three();
        broken.logits[3] = f32::NAN;
        assert_eq!(reason(broken), "NON_FINITE_LOGITS");
    }
}
