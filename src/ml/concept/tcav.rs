//! Significance-tested TCAV (Kim et al. 2018): does a class grow when activations move along a concept?
//!
//! Every run learns a vector between a concept's examples and other random activations, by a linear support-vector classifier
//! (hinge, C = 0.1, libsvm's objective). Its score is the share of the class's samples whose logit, beside the mean of all
//! logits, has a positive derivative along the vector (see `ml::activations::head_gradients`). The scores of a concept's runs are tested against those of vectors between two random sets.
//!
//! The published test calls nearly any fixed direction significant: a class's gradients are almost parallel, so a fixed direction
//! scores near 0 or 1 in every run while random ones scatter. So we ask for more: the mean directional derivative must lie
//! beyond the median of those of the random vectors (on rendered images whose deciding attributes are known, theirs are 1.2 to 3
//! times the median and the others at most .6 of it). The other way round, scores of few random vectors scatter so much
//! that Bonferroni's level is out of reach: with R of them, half at 0 and half at 1, t is √(R − 1). Ten cannot make one of
//! more than three concepts significant, thirty can make one of thousands.
//!
//! Mean differences need no solver, but follow the spread of the data and not what separates the
//! examples; and the vectors are learnt once for all classes, which is seconds. So the vectors are the published ones.

mod vectors;

use crate::domain::Result;
use crate::domain::concept::{ConceptActivations, TcavResult, TcavSpec};

use crate::ml::interrupt::Interrupt;

use super::rows::{check, project};
use super::student::p_value;

pub use vectors::Vectors;

/// Random vectors whose magnitude a significant concept must exceed.
const MAGNITUDE_QUANTILE: f64 = 0.5;

/// TCAV of one class: `gradients` `[n, dim]` of its logit, beside the mean of all, by the activations of its samples, `pool` `[m, dim]` random
/// activations. `None` where a concept has too few examples. For several classes learn the vectors once: `Vectors::learn`.
pub fn test(
    gradients: &[f32],
    dim: usize,
    concepts: &[&ConceptActivations],
    pool: &[f32],
    spec: &TcavSpec,
    seed: u64,
) -> Result<Vec<Option<TcavResult>>> {
    check(gradients, dim, "gradients")?;
    Ok(Vectors::learn(concepts, pool, dim, spec, seed, &Interrupt::never())?.score(gradients))
}

impl Vectors {
    /// TCAV of a class by its gradients, finite and in whole rows; one result for each concept, `None` without gradients.
    pub fn score(&self, gradients: &[f32]) -> Vec<Option<TcavResult>> {
        if gradients.is_empty() {
            return vec![None; self.concepts.len()];
        }
        let random: Vec<Run> = self.random.iter().map(|vector| Run::of(vector, gradients)).collect();
        let tested = self.concepts.iter().flatten().count();
        let judge = Judge::new(&random, self.alpha / tested.max(1) as f64, self.pooled_variance);
        let runs =
            |vectors: &[Vec<f64>]| -> Vec<Run> { vectors.iter().map(|vector| Run::of(vector, gradients)).collect() };
        self.concepts.iter().map(|concept| concept.as_ref().map(|vectors| judge.result(&runs(vectors)))).collect()
    }
}

/// What one vector says of a class.
#[derive(Debug, Clone, Copy)]
struct Run {
    score: f64,
    magnitude: f64,
}

impl Run {
    fn of(vector: &[f64], gradients: &[f32]) -> Self {
        let (mut positive, mut sum, mut count) = (0_usize, 0.0, 0_usize);
        for derivative in gradients.chunks_exact(vector.len()).map(|row| project(row, vector)) {
            positive += usize::from(derivative > 0.0);
            sum += derivative;
            count += 1;
        }
        Self { score: positive as f64 / count as f64, magnitude: sum / count as f64 }
    }
}

/// What concepts are compared with.
struct Judge {
    random_scores: Vec<f64>,
    random_score: f64,
    magnitude_limit: f64,
    level: f64,
    pooled: bool,
}

impl Judge {
    fn new(random: &[Run], level: f64, pooled: bool) -> Self {
        let random_scores = scores(random);
        let magnitudes = random.iter().map(|run| run.magnitude.abs()).collect();
        let magnitude_limit = quantile(magnitudes, MAGNITUDE_QUANTILE);
        Self { random_score: mean(&random_scores), random_scores, magnitude_limit, level, pooled }
    }

    fn result(&self, runs: &[Run]) -> TcavResult {
        let scores = scores(runs);
        let magnitude = runs.iter().map(|run| run.magnitude).sum::<f64>() / runs.len() as f64;
        let p_value = p_value(&scores, &self.random_scores, self.pooled);
        let unlikely = p_value.is_some_and(|p| p <= self.level);
        TcavResult {
            score: mean(&scores),
            score_std: deviation(&scores),
            magnitude,
            random_score: self.random_score,
            p_value,
            significant: unlikely && magnitude.abs() > self.magnitude_limit,
        }
    }
}

fn scores(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.score).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Of a sample (n − 1); 0 for one value.
fn deviation(values: &[f64]) -> f64 {
    let (mean, freedom) = (mean(values), values.len().saturating_sub(1).max(1));
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / freedom as f64).sqrt()
}

/// By linear interpolation, as numpy's default.
fn quantile(mut values: Vec<f64>, level: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = level * (values.len() - 1) as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests;
