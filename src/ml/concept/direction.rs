//! The hyperplane between two sides by each of the four methods.
//!
//! * hinge: ½‖w‖² + C Σ max(0, 1 − y(w·x + b)), b free: scikit-learn's `SVC(kernel="linear")`;
//! * logistic: ½‖w‖² + C Σ log(1 + exp(−y(w·x + b))), b free: `LogisticRegression`;
//! * ridge: ‖w‖²/C + Σ (y − w·x − b)², b free: `Ridge(alpha=1/C)` on labels of ±1;
//! * mean difference: mean of the positives − mean of all (FastCAV); the bias puts 0 midway between the projected means.
//!
//! With fewer rows than columns, logistic and ridge work in the span of the rows (their minimum lies in it): rows X = RᵀQᵀ are
//! replaced by Rᵀ, and the normal is Q times the one found. An embedding of 2048 thus costs no more than one of 100.

use nalgebra::{Cholesky, DMatrix, DVector};

use crate::domain::Result;
use crate::domain::concept::CavMethod;
use crate::ml::membership::features::Features;
use crate::ml::membership::logistic::LogisticRegression;
use crate::ml::membership::svm::{Kernel, SupportVectorClassifier};

use super::cav::{Sides, degenerate};

/// Largest violation of the dual's optimality conditions (libsvm's default is 1e-3).
const HINGE_TOLERANCE: f64 = 1e-6;
/// A shorter normal is no direction.
const SHORTEST: f64 = 1e-12;

#[derive(Debug, Clone)]
pub(super) struct Hyperplane {
    pub(super) normal: Vec<f64>,
    pub(super) bias: f64,
    pub(super) norm: f64,
}

impl Hyperplane {
    pub(super) fn between(sides: &Sides, method: CavMethod, c: f64) -> Result<Self> {
        let (normal, bias) = match method {
            CavMethod::SvcHinge => hinge(sides, c),
            CavMethod::Logistic => in_span(&sides.features, |features| logistic(features, &sides.positive, c)),
            CavMethod::Ridge => in_span(&sides.features, |features| ridge(features, &sides.positive, c)),
            CavMethod::MeanDifference => mean_difference(sides),
        };
        let norm = dot(&normal, &normal).sqrt();
        // Not `<`: a NaN is no direction either.
        if norm >= SHORTEST && norm.is_finite() && bias.is_finite() {
            return Ok(Self { normal, bias, norm });
        }
        Err(degenerate(
            "the vector between the two sides has no length: their activations do not differ, or the strength C is too small",
        ))
    }

    /// w·x + b: positive on the side of the positives.
    pub(super) fn decision(&self, row: &[f64]) -> f64 {
        dot(&self.normal, row) + self.bias
    }
}

fn hinge(sides: &Sides, c: f64) -> (Vec<f64>, f64) {
    SupportVectorClassifier::fit(&sides.features, &sides.positive, Kernel::Linear, c, HINGE_TOLERANCE).into_hyperplane()
}

fn logistic(features: &Features, positive: &[bool], c: f64) -> (Vec<f64>, f64) {
    let fit = LogisticRegression::fit(features, positive, c);
    (fit.coefficients, fit.intercept)
}

/// (XᵀX + I/C) w = Xᵀy on centred rows and labels.
fn ridge(features: &Features, positive: &[bool], c: f64) -> (Vec<f64>, f64) {
    let columns = features.columns();
    let mut rows = DMatrix::from_row_iterator(features.len(), columns, features.rows().flatten().copied());
    let mut labels = DVector::from_iterator(positive.len(), positive.iter().map(|p| if *p { 1.0 } else { -1.0 }));
    let (row_mean, label_mean) = (rows.row_mean(), labels.mean());
    rows.row_iter_mut().for_each(|mut row| row -= &row_mean);
    labels.add_scalar_mut(-label_mean);
    let system = rows.tr_mul(&rows) + DMatrix::identity(columns, columns) / c;
    let right = rows.tr_mul(&labels);
    let normal = Cholesky::new(system).map_or_else(|| DVector::zeros(columns), |factor| factor.solve(&right));
    let bias = label_mean - normal.dot(&row_mean.transpose());
    (normal.as_slice().to_vec(), bias)
}

fn mean_difference(sides: &Sides) -> (Vec<f64>, f64) {
    let count = sides.positive.len();
    let positive = mean(&sides.features, 0..sides.positive_count());
    let negative = mean(&sides.features, sides.positive_count()..count);
    let all = mean(&sides.features, 0..count);
    let normal: Vec<f64> = positive.iter().zip(&all).map(|(positive, all)| positive - all).collect();
    let bias = -0.5 * (dot(&normal, &positive) + dot(&normal, &negative));
    (normal, bias)
}

fn mean(features: &Features, rows: std::ops::Range<usize>) -> Vec<f64> {
    let mut sum = vec![0.0; features.columns()];
    for row in rows.clone() {
        sum.iter_mut().zip(features.row(row)).for_each(|(sum, value)| *sum += value);
    }
    sum.iter().map(|sum| sum / rows.len() as f64).collect()
}

/// Solves a problem whose minimum lies in the span of the rows in coordinates of that span where it is the smaller space.
fn in_span(features: &Features, solve: impl Fn(&Features) -> (Vec<f64>, f64)) -> (Vec<f64>, f64) {
    let (count, columns) = (features.len(), features.columns());
    if columns <= count {
        return solve(features);
    }
    let factors = DMatrix::from_iterator(columns, count, features.rows().flatten().copied()).qr();
    // Column i of R is row i in the new coordinates; R is stored by columns.
    let (normal, bias) = solve(&Features::new(count, factors.r().as_slice().to_vec()));
    let normal = factors.q() * DVector::from_vec(normal);
    (normal.as_slice().to_vec(), bias)
}

pub(super) fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}
