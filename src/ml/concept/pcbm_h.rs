//! The residual of PCBM-h (Yuksekgonul et al. 2023): a linear layer on the embedding whose logits are added to those of the
//! frozen bottleneck, for what the concepts miss.
//!
//! Cross-entropy of the sum + 0.001 · mean(W²), Adam at .01 (Kingma and Ba 2015, as torch.optim), 20 epochs of batches of 64.
//! Where we differ from PCBM's code: the layer starts at zero instead of at random, so that it starts as the bottleneck alone
//! and holds nothing in directions that no embedding has (the decay is too weak to remove it there).

use rand::seq::SliceRandom;
use rayon::prelude::*;

use crate::domain::Result;
use crate::ml::interrupt::Interrupt;
use crate::ml::random::{Purpose, stream};

use super::cav::degenerate;
use super::rows::check_labels;

const EPOCHS: u64 = 20;
const BATCH: usize = 64;
const LEARNING_RATE: f64 = 0.01;
const DECAY: f32 = 1e-3;
const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f32 = 1e-8;

/// The layer: `weights[class * dim ..][..dim]` and biases.
#[derive(Debug, Clone, PartialEq)]
pub struct Residual {
    pub weights: Vec<f32>,
    pub biases: Vec<f32>,
}

/// Fits rows of `dim` embeddings whose bottleneck gave `bottleneck_logits` [n, classes].
pub fn fit(
    embeddings: &[f32],
    dim: usize,
    bottleneck_logits: &[f32],
    labels: &[u32],
    classes: usize,
    seed: u64,
    interrupt: &Interrupt,
) -> Result<Residual> {
    check_labels(labels, embeddings.len() / dim.max(1), classes)?;
    check_labels(labels, bottleneck_logits.len() / classes.max(1), classes)?;
    if !embeddings.iter().chain(bottleneck_logits).all(|value| value.is_finite()) {
        return Err(degenerate("the embeddings or the bottleneck's logits are not all finite numbers"));
    }
    let samples = Samples { embeddings, dim, logits: bottleneck_logits, labels, classes };
    let order = |epoch| {
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.shuffle(&mut stream(seed, Purpose::Shuffle, epoch));
        order
    };
    let orders: Vec<Vec<usize>> = (0..EPOCHS).map(order).collect();
    samples.fit(orders.iter().flat_map(|order| order.chunks(BATCH)), interrupt)
}

impl Residual {
    /// [n, K] of rows of embeddings: to be added to the bottleneck's logits.
    pub fn logits(&self, embeddings: &[f32]) -> Vec<f32> {
        let (classes, dim) = (self.biases.len(), self.weights.len() / self.biases.len());
        let mut logits = vec![0.0; embeddings.len() / dim * classes];
        logits.par_chunks_mut(classes).zip(embeddings.par_chunks(dim)).for_each(|(logits, embedding)| {
            for ((logit, weights), bias) in logits.iter_mut().zip(self.weights.chunks_exact(dim)).zip(&self.biases) {
                *logit = super::projection::dot(weights, embedding) + bias;
            }
        });
        logits
    }
}

struct Samples<'a> {
    embeddings: &'a [f32],
    dim: usize,
    logits: &'a [f32],
    labels: &'a [u32],
    classes: usize,
}

impl Samples<'_> {
    fn embedding(&self, sample: usize) -> &[f32] {
        &self.embeddings[sample * self.dim..][..self.dim]
    }

    /// From zeros, a step on each batch.
    fn fit<'b>(&self, batches: impl Iterator<Item = &'b [usize]>, interrupt: &Interrupt) -> Result<Residual> {
        let mut rows: Vec<Row> = (0..self.classes).map(|_| Row::zero(self.dim)).collect();
        for (batch, step) in batches.zip(1..) {
            interrupt.check()?;
            self.descend(&mut rows, batch, step);
        }
        let biases = rows.iter().map(|row| row.values[self.dim]).collect();
        let weights = rows.iter().flat_map(|row| &row.values[..self.dim]).copied().collect();
        Ok(Residual { weights, biases })
    }

    /// One Adam step on a batch. Each class's row is one thread's, so sums do not depend on threads.
    fn descend(&self, rows: &mut [Row], batch: &[usize], step: i32) {
        let errors: Vec<Vec<f32>> = batch.par_iter().map(|sample| self.errors(rows, *sample)).collect();
        let decay = 2.0 * DECAY / (self.classes * self.dim) as f32;
        rows.par_iter_mut().enumerate().for_each(|(class, row)| {
            let mut gradient: Vec<f32> = row.values.iter().map(|value| decay * value).collect();
            gradient[self.dim] = 0.0;
            for (sample, errors) in batch.iter().zip(&errors) {
                let error = errors[class] / batch.len() as f32;
                gradient.iter_mut().zip(self.embedding(*sample)).for_each(|(slope, value)| *slope += error * value);
                gradient[self.dim] += error;
            }
            row.adam(&gradient, step);
        });
    }

    /// softmax − one-hot.
    fn errors(&self, rows: &[Row], sample: usize) -> Vec<f32> {
        let frozen = &self.logits[sample * self.classes..][..self.classes];
        let embedding = self.embedding(sample);
        let sums = rows.iter().zip(frozen).map(|(row, frozen)| row.logit(embedding) + frozen);
        let mut values: Vec<f32> = sums.collect();
        let highest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        values.iter_mut().for_each(|value| *value = (*value - highest).exp());
        let total: f32 = values.iter().sum();
        values.iter_mut().for_each(|value| *value /= total);
        values[self.labels[sample] as usize] -= 1.0;
        values
    }
}

/// Weights of one class, its bias last, with Adam's moments.
struct Row {
    values: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Row {
    fn zero(dim: usize) -> Self {
        let zeros = || vec![0.0; dim + 1];
        Self { values: zeros(), first: zeros(), second: zeros() }
    }

    fn logit(&self, embedding: &[f32]) -> f32 {
        super::projection::dot(&self.values[..embedding.len()], embedding) + self.values[embedding.len()]
    }

    /// The corrections are taken in f64, as torch's: 1 − .999 is wrong by 1e-5 of itself in f32.
    fn adam(&mut self, gradient: &[f32], step: i32) {
        let (keep_first, keep_second) = (BETAS.0 as f32, BETAS.1 as f32);
        let (new_first, new_second) = ((1.0 - BETAS.0) as f32, (1.0 - BETAS.1) as f32);
        let length = (LEARNING_RATE / (1.0 - BETAS.0.powi(step))) as f32;
        let second_scale = (1.0 - BETAS.1.powi(step)).sqrt() as f32;
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((value, (first, second)), slope) in self.values.iter_mut().zip(moments).zip(gradient) {
            *first = keep_first * *first + new_first * slope;
            *second = keep_second * *second + new_second * slope * slope;
            *value -= length * *first / (second.sqrt() / second_scale + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Layer {
        weights: Vec<f32>,
        biases: Vec<f32>,
    }

    #[derive(Deserialize)]
    struct Golden {
        dim: usize,
        classes: usize,
        embeddings: Vec<f32>,
        logits: Vec<f32>,
        labels: Vec<u32>,
        orders: Vec<Vec<usize>>,
        after_ten_steps: Layer,
        after_all_steps: Layer,
    }

    /// Largest difference, relative to the largest number.
    fn difference(ours: &Residual, theirs: &Layer) -> f32 {
        let pairs = || ours.weights.iter().chain(&ours.biases).zip(theirs.weights.iter().chain(&theirs.biases));
        let largest = pairs().map(|(_, theirs)| theirs.abs()).fold(0.0, f32::max);
        pairs().map(|(ours, theirs)| (ours - theirs).abs()).fold(0.0, f32::max) / largest
    }

    #[test]
    fn on_the_same_batches_the_layer_is_torchs() {
        let text = include_str!("../../../tests/golden/concept/pcbm_h.json");
        let golden: Golden = serde_json::from_str(text).unwrap();
        let Golden { dim, classes, embeddings, logits, labels, .. } = &golden;
        let samples = Samples { embeddings, dim: *dim, logits, labels, classes: *classes };
        let batches = || golden.orders.iter().flat_map(|order| order.chunks(BATCH));
        assert_eq!(batches().count(), 60);
        let [ten, all] = [
            difference(&samples.fit(batches().take(10), &Interrupt::never()).unwrap(), &golden.after_ten_steps),
            difference(&samples.fit(batches(), &Interrupt::never()).unwrap(), &golden.after_all_steps),
        ];
        assert!(ten <= 1e-6, "after ten steps {ten}");
        assert!(all <= 1e-6, "after all steps {all}");
    }

    /// Two coordinates, four classes by the signs; the bottleneck knows only the first sign.
    fn quadrants() -> (Vec<f32>, Vec<f32>, Vec<u32>) {
        let point = |index: usize| [(index * 37 % 101) as f32 / 50.0 - 1.0, (index * 53 % 97) as f32 / 48.0 - 1.0];
        let points: Vec<[f32; 2]> = (0..400).map(point).collect();
        let logits = points.iter().flat_map(|[x, _]| [5.0 * x, 5.0 * x, -5.0 * x, -5.0 * x]).collect();
        let label = |[x, y]: &[f32; 2]| u32::from(*x < 0.0) * 2 + u32::from(*y < 0.0);
        let labels = points.iter().map(label).collect();
        (points.concat(), logits, labels)
    }

    fn correct(logits: &[f32], labels: &[u32]) -> usize {
        let highest = |row: &[f32]| (0..row.len()).max_by(|left, right| row[*left].total_cmp(&row[*right])).unwrap();
        logits.chunks_exact(4).zip(labels).filter(|(row, label)| highest(row) == **label as usize).count()
    }

    #[test]
    fn the_residual_adds_what_the_bottleneck_misses() {
        let (embeddings, bottleneck, labels) = quadrants();
        let residual = fit(&embeddings, 2, &bottleneck, &labels, 4, 3, &Interrupt::never()).unwrap();
        let sums: Vec<f32> = residual.logits(&embeddings).iter().zip(&bottleneck).map(|(r, b)| r + b).collect();
        let (without, with) = (correct(&bottleneck, &labels), correct(&sums, &labels));
        assert!(without < 250 && with > 370, "{without} and {with} of 400");
        assert_eq!(residual, fit(&embeddings, 2, &bottleneck, &labels, 4, 3, &Interrupt::never()).unwrap());
    }

    #[test]
    fn labels_that_do_not_fit_are_a_defect() {
        for labels in [[0, 2].as_slice(), &[0]] {
            assert_eq!(
                fit(&[1.0, 2.0], 1, &[0.0; 4], labels, 2, 3, &Interrupt::never()).unwrap_err().reason,
                "INTERNAL"
            );
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        let error = fit(&[f32::INFINITY], 1, &[0.0, 0.0], &[0], 2, 3, &Interrupt::never()).unwrap_err();
        assert_eq!(error.reason, "DEGENERATE_FEATURES");
    }
}
