//! Rows of projections as a sparse layer is fitted to them.

use nalgebra::{DMatrix, DMatrixView, Dyn};
use rayon::prelude::*;

use super::rows::dot;

/// Rows that are multiplied together.
const BLOCK: usize = 512;

/// Rows with a 1 appended, centred (the intercept is free, so that changes no solution, only conditioning) and perhaps scaled.
#[derive(Debug)]
pub(super) struct Design {
    width: usize,
    values: Vec<f64>,
    means: Vec<f64>,
    scales: Vec<f64>,
}

impl Design {
    pub(super) fn new(projections: &[f32], concepts: usize, standardize: bool) -> Self {
        let count = (projections.len() / concepts) as f64;
        let mean = |concept: usize, term: &dyn Fn(f64) -> f64| {
            projections.iter().skip(concept).step_by(concepts).map(|value| term(f64::from(*value))).sum::<f64>() / count
        };
        let means: Vec<f64> = (0..concepts).map(|concept| mean(concept, &|value| value)).collect();
        let deviation = |concept: usize| mean(concept, &|value| (value - means[concept]).powi(2)).sqrt();
        let scale = |concept: usize| match deviation(concept) {
            // A concept without spread stays at zero; the mean is exact up to rounding.
            deviation if standardize && deviation > means[concept].abs() * 1e-12 => deviation,
            _ => 1.0,
        };
        let scales: Vec<f64> = (0..concepts).map(scale).collect();
        let mut values = Vec::with_capacity(projections.len() + projections.len() / concepts);
        for row in projections.chunks_exact(concepts) {
            let centred = row.iter().zip(&means).zip(&scales).map(|((value, mean), s)| (f64::from(*value) - mean) / s);
            values.extend(centred.chain([1.0]));
        }
        Self { width: concepts + 1, values, means, scales }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn len(&self) -> usize {
        self.values.len() / self.width
    }

    fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// w·x + b of every row.
    pub(super) fn margins(&self, point: &[f64]) -> Vec<f64> {
        self.rows().map(|row| dot(row, point)).collect()
    }

    /// Weights and bias for rows as they were given.
    pub(super) fn raw(&self, point: &[f64]) -> (Vec<f64>, f64) {
        let weights: Vec<f64> = point.iter().zip(&self.scales).map(|(weight, scale)| weight / scale).collect();
        let bias = point[self.width - 1] - dot(&weights, &self.means);
        (weights, bias)
    }

    /// Mean of factor·x.
    pub(super) fn mean(&self, factors: &[f64]) -> Vec<f64> {
        let mut sum = vec![0.0; self.width];
        for (row, factor) in self.rows().zip(factors) {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * value);
        }
        sum.iter().map(|sum| sum / self.len() as f64).collect()
    }

    /// Mean of factor·x xᵀ.
    pub(super) fn weighted_gram(&self, factors: &[f64]) -> DMatrix<f64> {
        self.mean_of(|first, block| {
            let values = &self.values[first * self.width..][..block.len()];
            let rows = values.chunks_exact(self.width).zip(&factors[first..]);
            let scaled: Vec<f64> = rows.flat_map(|(row, factor)| row.iter().map(move |value| factor * value)).collect();
            block * transposed(&scaled, self.width)
        })
    }

    /// The sum of what `part` makes of blocks of rows (as columns, with the place of the first), divided by the number of rows. Blocks
    /// are the same whatever the number of threads, and summed in their order.
    pub(super) fn mean_of(&self, part: impl Fn(usize, DMatrixView<'_, f64>) -> DMatrix<f64> + Sync) -> DMatrix<f64> {
        let blocks = self.values.par_chunks(BLOCK * self.width).enumerate();
        let of_block = |(index, values): (usize, &[f64])| {
            part(index * BLOCK, DMatrixView::from_slice(values, self.width, values.len() / self.width))
        };
        let parts: Vec<DMatrix<f64>> = blocks.map(of_block).collect();
        parts.into_iter().reduce(|sum, part| sum + part).unwrap_or_default() / self.len() as f64
    }

    /// What `part` makes of blocks of rows, side by side: a column for each row.
    pub(super) fn columns_of(&self, part: impl Fn(DMatrixView<'_, f64>) -> DMatrix<f64> + Sync) -> DMatrix<f64> {
        let of_block = |values: &[f64]| {
            part(DMatrixView::from_slice(values, self.width, values.len() / self.width)).as_slice().to_vec()
        };
        let parts: Vec<Vec<f64>> = self.values.par_chunks(BLOCK * self.width).map(of_block).collect();
        let values = parts.concat();
        DMatrix::from_vec(values.len() / self.len(), self.len(), values)
    }
}

/// Rows of `width` values as a matrix with a row for each, where they lie.
pub(super) fn transposed(values: &[f64], width: usize) -> DMatrixView<'_, f64, Dyn, Dyn> {
    DMatrixView::from_slice_with_strides(values, values.len() / width, width, width, 1)
}
