//! Figures over one split: exact counts of the forget and the retained samples, and where the forgotten ones go.

use super::predictions::Predictions;
use super::wilson::accuracy;
use crate::domain::evaluation::{Accuracy, SplitEvaluation};
use crate::domain::{Error, Result};

/// Evaluates one split. `forget[i]` says whether sample i belongs to the forget set; the mask may be false everywhere.
///
/// An empty side has accuracy 0 of 0 (interval [0, 1]), loss 0 and all-zero destinations and mean softmax.
pub fn evaluate_split(predictions: &Predictions, forget: &[bool]) -> Result<SplitEvaluation> {
    predictions.validate()?;
    if forget.len() != predictions.len() {
        let (given, samples) = (forget.len(), predictions.len());
        return Err(Error::internal(format!("forget mask has {given} entries for {samples} samples")));
    }
    let mut tally = Tally::new(predictions.class_count);
    for ((row, label), forgotten) in predictions.log_softmax().zip(forget) {
        let side = if *forgotten { &mut tally.forget } else { &mut tally.retain };
        side.add(row.top() == label, row.loss(label));
        if *forgotten {
            tally.add_destination(row.top(), &row.probabilities());
        }
        tally.confusion[label * predictions.class_count + row.top()] += 1;
    }
    Ok(tally.finish())
}

#[derive(Default)]
struct Side {
    correct: u64,
    total: u64,
    loss: f64,
}

impl Side {
    fn add(&mut self, correct: bool, loss: f64) {
        self.correct += u64::from(correct);
        self.total += 1;
        self.loss += loss;
    }

    fn mean_loss(&self) -> f64 {
        self.loss / self.total.max(1) as f64
    }
}

struct Tally {
    class_count: usize,
    forget: Side,
    retain: Side,
    confusion: Vec<u64>,
    /// Forget samples predicted to be of each class, and the sum of their softmax.
    destinations: Vec<u64>,
    softmax_sum: Vec<f64>,
}

impl Tally {
    fn new(class_count: usize) -> Self {
        Self {
            class_count,
            forget: Side::default(),
            retain: Side::default(),
            confusion: vec![0; class_count * class_count],
            destinations: vec![0; class_count],
            softmax_sum: vec![0.0; class_count],
        }
    }

    fn add_destination(&mut self, predicted: usize, probabilities: &[f64]) {
        self.destinations[predicted] += 1;
        for (sum, probability) in self.softmax_sum.iter_mut().zip(probabilities) {
            *sum += probability;
        }
    }

    fn per_class(&self) -> Vec<Accuracy> {
        let rows = self.confusion.chunks_exact(self.class_count).enumerate();
        rows.map(|(class, row)| accuracy(row[class], row.iter().sum())).collect()
    }

    fn finish(self) -> SplitEvaluation {
        let forgotten = self.forget.total.max(1) as f64;
        SplitEvaluation {
            forget: accuracy(self.forget.correct, self.forget.total),
            retain: accuracy(self.retain.correct, self.retain.total),
            global: accuracy(self.forget.correct + self.retain.correct, self.forget.total + self.retain.total),
            per_class: self.per_class(),
            forget_loss: self.forget.mean_loss(),
            retain_loss: self.retain.mean_loss(),
            destinations: self.destinations.iter().map(|count| *count as f64 / forgotten).collect(),
            mean_softmax: self.softmax_sum.iter().map(|sum| sum / forgotten).collect(),
            confusion: self.confusion,
            text: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Predictions {
        let logits = vec![2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 2.0, 0.0];
        Predictions { class_count: 3, logits, labels: vec![0, 0, 2, 1] }
    }

    #[test]
    fn counts_are_exact_and_destinations_follow_the_forget_set() {
        let figures = evaluate_split(&example(), &[true, true, false, false]).unwrap();
        assert_eq!((figures.forget.correct, figures.forget.total), (1, 2));
        assert_eq!((figures.retain.correct, figures.retain.total), (2, 2));
        assert_eq!(figures.global.value, 0.75);
        assert_eq!(figures.confusion, [1, 1, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(figures.destinations, [0.5, 0.5, 0.0]);
        assert_eq!(figures.per_class[0].value, 0.5);
    }

    #[test]
    fn losses_are_mean_cross_entropies() {
        let figures = evaluate_split(&example(), &[true, true, false, false]).unwrap();
        let normaliser = (2.0_f64.exp() + 2.0).ln();
        assert!((figures.forget_loss - (normaliser - 1.0)).abs() < 1e-12);
        assert!((figures.retain_loss - (normaliser - 2.0)).abs() < 1e-12);
        assert!((figures.mean_softmax.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_empty_forget_set_gives_finite_figures() {
        let figures = evaluate_split(&example(), &[false; 4]).unwrap();
        assert_eq!((figures.forget.total, figures.forget.high, figures.forget_loss), (0, 1.0, 0.0));
        assert_eq!(figures.mean_softmax, [0.0; 3]);
    }

    #[test]
    fn a_mask_of_the_wrong_length_is_refused() {
        assert_eq!(evaluate_split(&example(), &[true]).unwrap_err().reason, "INTERNAL");
    }
}
