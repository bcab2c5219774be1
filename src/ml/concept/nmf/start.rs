//! Where the descent starts: NNDSVDa (Boutsidis and Gallopoulos 2008), each singular pair by its larger signed part, zeros filled
//! with the mean of the data. As scikit-learn's `init="nndsvda"`.

use nalgebra::{DMatrix, DVector, DVectorView, SymmetricEigen};
use rand::Rng;

use super::Factors;
use crate::ml::random::{Purpose, stream};

/// Up to here the Gram matrix is decomposed itself.
const EXACT_DIM: usize = 512;
/// Of subspace iteration.
const OVERSAMPLING: usize = 10;
const POWER_ITERATIONS: usize = 15;
/// Smaller entries count as zeros.
const ZERO: f64 = 1e-6;
/// Singular values below this share of the largest are rounding.
const NEGLIGIBLE: f64 = 1e-12;

/// `data` is `[dim, n]`.
pub(super) fn nndsvda(data: &DMatrix<f64>, parts: usize, seed: u64) -> Factors {
    let mut coefficients = DMatrix::zeros(parts, data.ncols());
    let mut components = DMatrix::zeros(parts, data.nrows());
    for (part, pair) in leading_pairs(data, parts, seed).iter().enumerate() {
        let (left, right) = if part == 0 { pair.absolute() } else { pair.larger_part() };
        coefficients.set_row(part, &left.transpose());
        components.set_row(part, &right.transpose());
    }
    let mean = data.mean();
    let fill = |value: f64| if value < ZERO { mean } else { value };
    Factors { coefficients: coefficients.map(fill), components: components.map(fill) }
}

/// A singular value with its vectors over samples and over dimensions.
struct Pair {
    value: f64,
    samples: DVector<f64>,
    dimensions: DVector<f64>,
}

impl Pair {
    /// The first pair: its vectors have one sign each.
    fn absolute(&self) -> (DVector<f64>, DVector<f64>) {
        let root = self.value.sqrt();
        (self.samples.abs() * root, self.dimensions.abs() * root)
    }

    /// The positive parts of both vectors or the negative ones, whichever product is larger, scaled to its share.
    fn larger_part(&self) -> (DVector<f64>, DVector<f64>) {
        let positive = (self.samples.map(|value| value.max(0.0)), self.dimensions.map(|value| value.max(0.0)));
        let negative = (self.samples.map(|value| (-value).max(0.0)), self.dimensions.map(|value| (-value).max(0.0)));
        let product = |part: &(DVector<f64>, DVector<f64>)| part.0.norm() * part.1.norm();
        let part = if product(&positive) > product(&negative) { positive } else { negative };
        let share = product(&part);
        if share == 0.0 {
            return (part.0 * 0.0, part.1 * 0.0);
        }
        let scale = (self.value * share).sqrt();
        (&part.0 * (scale / part.0.norm()), &part.1 * (scale / part.1.norm()))
    }
}

/// The largest singular values and their vectors, largest first.
fn leading_pairs(data: &DMatrix<f64>, parts: usize, seed: u64) -> Vec<Pair> {
    let (values, directions) = leading_directions(data, parts, seed);
    let largest = values[0].max(0.0).sqrt();
    let pairs = (0..parts).map(|index| {
        let value = values[index].max(0.0).sqrt();
        let dimensions: DVector<f64> = directions.column(index).into_owned();
        let samples = samples_of(data, directions.column(index), value, largest);
        Pair { value, samples, dimensions }
    });
    pairs.collect()
}

fn samples_of(data: &DMatrix<f64>, direction: DVectorView<'_, f64>, value: f64, largest: f64) -> DVector<f64> {
    if value <= NEGLIGIBLE * largest { DVector::zeros(data.ncols()) } else { data.tr_mul(&direction) / value }
}

/// Eigenvalues of X Xᵀ, largest first, and their vectors as columns.
fn leading_directions(data: &DMatrix<f64>, parts: usize, seed: u64) -> (Vec<f64>, DMatrix<f64>) {
    if data.nrows() <= EXACT_DIM {
        return sorted_eigen(data * data.transpose());
    }
    let width = (parts + OVERSAMPLING).min(data.nrows()).min(data.ncols());
    let basis = subspace(data, width, seed);
    let projected = data.tr_mul(&basis);
    let (values, rotation) = sorted_eigen(projected.tr_mul(&projected));
    (values, basis * rotation)
}

/// An orthonormal basis of the leading left singular vectors, by subspace iteration (Halko, Martinsson and Tropp 2011).
fn subspace(data: &DMatrix<f64>, width: usize, seed: u64) -> DMatrix<f64> {
    let mut random = stream(seed, Purpose::ConceptDiscovery, 0);
    let mut basis = DMatrix::from_fn(data.nrows(), width, |_, _| random.random::<f64>() - 0.5).qr().q();
    for _ in 0..POWER_ITERATIONS {
        basis = (data * data.tr_mul(&basis)).qr().q();
    }
    basis
}

fn sorted_eigen(symmetric: DMatrix<f64>) -> (Vec<f64>, DMatrix<f64>) {
    let eigen = SymmetricEigen::new(symmetric);
    let mut order: Vec<usize> = (0..eigen.eigenvalues.len()).collect();
    order.sort_by(|left, right| eigen.eigenvalues[*right].total_cmp(&eigen.eigenvalues[*left]));
    (order.iter().map(|index| eigen.eigenvalues[*index]).collect(), eigen.eigenvectors.select_columns(&order))
}
