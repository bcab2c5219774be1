//! A table of features, one row a sample, and its standardisation.

use crate::ml::evaluation::Predictions;
use crate::ml::membership::scores::Score;

/// Features that differ by less than this say nothing.
const CONSTANT: f64 = 1e-9;

/// Rows of equal width, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    columns: usize,
    values: Vec<f64>,
}

impl Features {
    /// `values` holds whole rows of `columns` features.
    pub fn new(columns: usize, values: Vec<f64>) -> Self {
        debug_assert!(columns > 0 && values.len().is_multiple_of(columns), "whole rows");
        Self { columns, values }
    }

    /// One feature: a score of every sample.
    pub fn of_scores(predictions: &Predictions, score: Score) -> Self {
        Self::new(1, super::scores::scores(predictions, score))
    }

    /// K features: the softmax of every sample.
    pub fn of_softmax(predictions: &Predictions) -> Self {
        Self::new(predictions.class_count, predictions.softmax().flatten().collect())
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn len(&self) -> usize {
        self.values.len() / self.columns
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn row(&self, index: usize) -> &[f64] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.columns)
    }

    pub fn subset(&self, indices: &[usize]) -> Self {
        Self::new(self.columns, indices.iter().flat_map(|index| self.row(*index)).copied().collect())
    }

    /// The rows of `self` and then those of `other`.
    pub fn stacked(&self, other: &Self) -> Self {
        debug_assert_eq!(self.columns, other.columns, "equal features");
        Self::new(self.columns, [self.values.as_slice(), &other.values].concat())
    }

    /// Whether no feature tells two rows apart: all lie within 1e-9, as of a saturated model.
    pub fn is_constant(&self) -> bool {
        let close = |row: &[f64]| row.iter().zip(self.row(0)).all(|(value, first)| (value - first).abs() <= CONSTANT);
        self.rows().all(close)
    }
}

/// Shifts every feature to mean 0 and scales it to (population) variance 1; a constant feature is only shifted.
/// Equal to scikit-learn's `StandardScaler`, its test for constancy up to rounding included.
#[derive(Debug, Clone, PartialEq)]
pub struct StandardScaler {
    means: Vec<f64>,
    scales: Vec<f64>,
}

impl StandardScaler {
    pub fn fit(features: &Features) -> Self {
        let count = features.len() as f64;
        let means = column_means(features, |value, _| value, &vec![0.0; features.columns]);
        let variances = column_means(features, |value, mean| (value - mean).powi(2), &means);
        let scale = |(variance, mean): (&f64, &f64)| {
            let rounding = count * f64::EPSILON * variance + (count * mean * f64::EPSILON).powi(2);
            if *variance <= rounding { 1.0 } else { variance.sqrt() }
        };
        Self { scales: variances.iter().zip(&means).map(scale).collect(), means }
    }

    pub fn transform(&self, features: &Features) -> Features {
        let scaled = features.rows().flat_map(|row| self.scaled(row)).collect();
        Features::new(features.columns, scaled)
    }

    fn scaled<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        row.iter().zip(&self.means).zip(&self.scales).map(|((value, mean), scale)| (value - mean) / scale)
    }
}

fn column_means(features: &Features, term: impl Fn(f64, f64) -> f64, centres: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; features.columns];
    for row in features.rows() {
        for ((sum, value), centre) in sums.iter_mut().zip(row).zip(centres) {
            *sum += term(*value, *centre);
        }
    }
    sums.iter().map(|sum| sum / features.len() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardised_features_have_mean_zero_and_variance_one() {
        let features = Features::new(2, vec![1.0, 5.0, 3.0, 5.0]);
        let scaled = StandardScaler::fit(&features).transform(&features);
        assert_eq!(scaled, Features::new(2, vec![-1.0, 0.0, 1.0, 0.0]));
    }
}
