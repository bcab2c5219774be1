//! Concepts that nobody named: non-negative matrix factorisation of activations, X ≈ W H with W, H ≥ 0 (Lee and Seung 1999; used
//! for concepts by CRAFT, Fel et al. 2023).
//!
//! Cyclic coordinate descent on ‖X − WH‖² (Cichocki and Phan 2009) from NNDSVDa (Boutsidis and Gallopoulos 2008), with the steps
//! and the stopping rule of scikit-learn's `NMF(init="nndsvda", solver="cd")`. We differ in the singular vectors behind the
//! start: exact ones of the Gram matrix up to 512 dimensions, and subspace iteration to convergence beyond, where scikit-learn
//! takes a few seeded power iterations.

mod start;

use nalgebra::DMatrix;

use crate::domain::concept::{ConceptActivations, ConceptVectors};
use crate::domain::{Error, Result};
use crate::ml::interrupt::Interrupt;

use super::classes::descending;
use super::rows::check;

/// When to stop, and the seed of the start for wide activations. The defaults are scikit-learn's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    pub max_iterations: u32,
    /// Of the projected gradient, relative to that of the first iteration.
    pub tolerance: f64,
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_iterations: 200, tolerance: 1e-4, seed: 0 }
    }
}

/// X ≈ coefficients · components.
#[derive(Debug, Clone, PartialEq)]
pub struct Factorisation {
    pub parts: usize,
    pub dim: usize,
    /// `[n, parts]`, row after row.
    pub coefficients: Vec<f64>,
    /// `[parts, dim]`, row after row.
    pub components: Vec<f64>,
    /// 1 − ‖X − WH‖² / ‖X‖².
    pub explained: f64,
    pub iterations: u32,
    pub converged: bool,
}

/// Factorises activations `[n, dim]`, none of them negative, into `parts` parts.
pub fn factorise(
    values: &[f32],
    dim: usize,
    parts: usize,
    options: &Options,
    interrupt: &Interrupt,
) -> Result<Factorisation> {
    check_inputs(values, dim, parts)?;
    let data = DMatrix::from_iterator(dim, values.len() / dim, values.iter().copied().map(f64::from));
    let start = start::nndsvda(&data, parts, options.seed);
    descend(&data, start, options, interrupt)
}

fn check_inputs(values: &[f32], dim: usize, parts: usize) -> Result<()> {
    check(values, dim, "activations")?;
    if let Some(index) = values.iter().position(|value| *value < 0.0) {
        let message = format!(
            "activation {} of sample {} is negative, and parts add up from activations that are not; \
             discover concepts on a model whose embedding follows a ReLU, or name concepts by examples",
            index % dim,
            index / dim
        );
        return Err(Error::failed_precondition("NEGATIVE_ACTIVATIONS", message));
    }
    if values.iter().all(|value| *value == 0.0) {
        return Err(Error::invalid(
            "DEGENERATE_FEATURES",
            "",
            "every activation is 0; check the model and the samples",
        ));
    }
    let most = dim.min(values.len() / dim);
    if parts == 0 || parts > most {
        let description =
            format!("{parts} parts of {} samples in {dim} dimensions; ask for 1 to {most}", values.len() / dim);
        return Err(Error::invalid("CONCEPT_COUNT_OUT_OF_RANGE", "concept_count", description));
    }
    Ok(())
}

/// Both factors with a part in each row, so that what belongs to one sample (or one dimension) is together: W as `[parts, n]`.
#[derive(Debug, Clone)]
struct Factors {
    coefficients: DMatrix<f64>,
    components: DMatrix<f64>,
}

/// `data` is `[dim, n]`.
fn descend(
    data: &DMatrix<f64>,
    mut factors: Factors,
    options: &Options,
    interrupt: &Interrupt,
) -> Result<Factorisation> {
    let (mut iterations, mut converged, mut first) = (0, false, 0.0);
    while iterations < options.max_iterations && !converged {
        interrupt.check()?;
        let violation = iterate(data, &mut factors);
        iterations += 1;
        if iterations == 1 {
            first = violation;
        }
        converged = first == 0.0 || violation / first <= options.tolerance;
    }
    let explained = 1.0 - loss(data, &factors) / data.norm_squared();
    Ok(Factorisation {
        parts: factors.components.nrows(),
        dim: data.nrows(),
        coefficients: factors.coefficients.as_slice().to_vec(),
        components: factors.components.transpose().as_slice().to_vec(),
        explained,
        iterations,
        converged,
    })
}

/// One pass over W and one over H; the sum of how much the coordinates violated optimality.
fn iterate(data: &DMatrix<f64>, factors: &mut Factors) -> f64 {
    let Factors { coefficients, components } = factors;
    let target = &*components * data;
    let violation = sweep(coefficients, &(&*components * components.transpose()), &target);
    let target = (data * coefficients.transpose()).transpose();
    violation + sweep(components, &(&*coefficients * coefficients.transpose()), &target)
}

/// Minimises over each coordinate in turn, all others fixed. Columns do not meet: each is a least-squares problem of its own.
fn sweep(factor: &mut DMatrix<f64>, gram: &DMatrix<f64>, target: &DMatrix<f64>) -> f64 {
    let parts = gram.nrows();
    let columns = factor.as_mut_slice().chunks_exact_mut(parts).zip(target.as_slice().chunks_exact(parts));
    columns.map(|(column, target)| sweep_column(column, gram, target)).sum()
}

fn sweep_column(column: &mut [f64], gram: &DMatrix<f64>, target: &[f64]) -> f64 {
    let mut violation = 0.0;
    let rows = gram.as_slice().chunks_exact(column.len());
    for (part, (row, target)) in rows.zip(target).enumerate() {
        let gradient = super::rows::dot(row, column) - target;
        violation += if column[part] == 0.0 { gradient.min(0.0).abs() } else { gradient.abs() };
        if row[part] != 0.0 {
            column[part] = (column[part] - gradient / row[part]).max(0.0);
        }
    }
    violation
}

/// ‖X − WH‖², summed over the samples so that no second matrix of X's size is needed.
fn loss(data: &DMatrix<f64>, factors: &Factors) -> f64 {
    let directions = factors.components.transpose();
    let samples = data.column_iter().zip(factors.coefficients.column_iter());
    samples.map(|(sample, coefficients)| (sample - &directions * coefficients).norm_squared()).sum()
}

impl Factorisation {
    /// The parts as concept vectors: rows of (H Hᵀ)⁻¹ H, whose products with an activation are its least-squares coefficients.
    /// Parts that depend on one another get a slight ridge. They come without `examples`, for which the activations are needed.
    pub fn vectors(&self) -> ConceptVectors {
        let components = DMatrix::from_row_slice(self.parts, self.dim, &self.components);
        let gram = &components * components.transpose();
        let scale = gram.trace() / self.parts as f64;
        let ridges = (-14..=0).map(|power| scale * 10.0_f64.powi(power));
        let solved = std::iter::once(0.0).chain(ridges).find_map(|ridge| {
            let factor = (&gram + DMatrix::identity(self.parts, self.parts) * ridge).cholesky()?;
            let solved = factor.solve(&components);
            solved.iter().all(|value| value.is_finite()).then_some(solved)
        });
        // A ridge as large as the matrix always helps; parts of zeros alone stay zeros.
        let solved = solved.unwrap_or(components);
        let weights = solved.transpose().iter().map(|value| *value as f32).collect();
        ConceptVectors { dim: self.dim, weights, biases: vec![0.0; self.parts], examples: Vec::new() }
    }

    /// Activations for TCAV, of the same `values` that were factorised: as positives those of the samples that show a part best, as
    /// negatives those of the samples that show least of it, at most `per_concept` of each. Nobody said of these samples that they
    /// lack the part: they are the ones that need it least to be explained. Of more samples without any of it than are asked
    /// for, evenly spaced ones are taken, so that negatives are not all of whatever the data begin with.
    pub fn examples(&self, values: &[f32], per_concept: usize) -> Vec<ConceptActivations> {
        debug_assert_eq!(values.len() * self.parts, self.coefficients.len() * self.dim, "what was factorised");
        let rows = |samples: &[usize]| -> Vec<f32> {
            samples.iter().flat_map(|sample| &values[sample * self.dim..][..self.dim]).copied().collect()
        };
        let of_part = |(part, best): (usize, Vec<(usize, f64)>)| {
            let best: Vec<usize> = best.into_iter().map(|(sample, _)| sample).collect();
            let negatives = rows(&self.lowest_samples(part, per_concept, &best));
            ConceptActivations { positives: rows(&best), negatives }
        };
        self.best_samples(per_concept).into_iter().enumerate().map(of_part).collect()
    }

    /// The samples with the smallest coefficients, none of `taken`.
    fn lowest_samples(&self, part: usize, count: usize, taken: &[usize]) -> Vec<usize> {
        let coefficient = |sample: &usize| self.coefficients[sample * self.parts + part];
        let samples = 0..self.coefficients.len() / self.parts;
        let mut free: Vec<usize> = samples.filter(|sample| !taken.contains(sample)).collect();
        free.sort_by(|left, right| descending(coefficient(right), coefficient(left)));
        let without = free.partition_point(|sample| coefficient(sample) <= 0.0);
        if without > count {
            return (0..count).map(|index| free[index * without / count]).collect();
        }
        free.truncate(count);
        free
    }

    /// For each part the samples with the largest coefficients above 0, best first, equal ones in order.
    pub fn best_samples(&self, count: usize) -> Vec<Vec<(usize, f64)>> {
        let of_part = |part: usize| {
            let coefficients = self.coefficients.iter().skip(part).step_by(self.parts).copied().enumerate();
            let mut samples: Vec<(usize, f64)> = coefficients.filter(|(_, coefficient)| *coefficient > 0.0).collect();
            samples.sort_by(|left, right| descending(left.1, right.1));
            samples.truncate(count);
            samples
        };
        (0..self.parts).map(of_part).collect()
    }
}

#[cfg(test)]
mod tests;
