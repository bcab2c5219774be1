//! The system of the weights that are not zero, by conjugate gradients with each class's own Hessian as preconditioner.

use nalgebra::{Cholesky, DMatrix, Dyn};
use rayon::prelude::*;

use super::model::{Model, Place};

const MAX_GRADIENTS: usize = 100;
/// What conjugate gradients leave of the (preconditioned) residual's norm.
const LEFT: f64 = 1e-2;
/// Keeps the curvature of a variable that nothing depends on above zero.
const LEAST_CURVATURE: f64 = 1e-14;

/// The weights that are not zero, and the intercepts.
pub(super) struct Support<'a> {
    model: &'a Model<'a>,
    /// 1 for them, 0 for the others.
    mask: DMatrix<f64>,
    factors: Vec<Option<Cholesky<f64, Dyn>>>,
}

impl<'a> Support<'a> {
    pub(super) fn new(model: &'a Model<'a>, point: &DMatrix<f64>) -> Self {
        let intercept = point.nrows() - 1;
        let mask = DMatrix::from_fn(point.nrows(), point.ncols(), |row, column| {
            f64::from(row == intercept || point[(row, column)] != 0.0)
        });
        let factor = |class: usize| Cholesky::new(system(model, class, &mask));
        let factors = (0..point.ncols()).into_par_iter().map(factor).collect();
        Self { model, mask, factors }
    }

    /// Of the quadratic and the penalty, on the support.
    pub(super) fn slope(&self, place: &Place) -> DMatrix<f64> {
        let (penalty, intercept) = (self.model.problem.penalty, place.point.nrows() - 1);
        let slope = place.slope.map_with_location(|row, column, slope| {
            let weight = place.point[(row, column)];
            slope + if row == intercept { 0.0 } else { penalty.l2 * weight + penalty.l1 * weight.signum() }
        });
        slope.component_mul(&self.mask)
    }

    fn curved(&self, direction: &DMatrix<f64>) -> DMatrix<f64> {
        let mut curved = self.model.curved(direction);
        let weights = direction.nrows() - 1;
        let mut upper = curved.rows_mut(0, weights);
        upper += direction.rows(0, weights) * self.model.problem.penalty.l2;
        curved.component_mul(&self.mask)
    }

    fn preconditioned(&self, residual: &DMatrix<f64>) -> DMatrix<f64> {
        let mut solved = residual.clone();
        for (mut column, factor) in solved.column_iter_mut().zip(&self.factors) {
            if let Some(factor) = factor {
                factor.solve_mut(&mut column);
            }
        }
        solved.component_mul(&self.mask)
    }

    /// The step against a slope.
    pub(super) fn solve(&self, slope: &DMatrix<f64>) -> DMatrix<f64> {
        let mut step = DMatrix::zeros(slope.nrows(), slope.ncols());
        let mut residual = -slope;
        let mut direction = self.preconditioned(&residual);
        let mut size = residual.dot(&direction);
        let target = LEFT * LEFT * size;
        for _ in 0..MAX_GRADIENTS {
            let curved = self.curved(&direction);
            let length = size / direction.dot(&curved);
            if size <= target || !length.is_finite() || length <= 0.0 {
                break;
            }
            step += &direction * length;
            residual -= curved * length;
            let next = self.preconditioned(&residual);
            let next_size = residual.dot(&next);
            direction = &next + direction * (next_size / size);
            size = next_size;
        }
        step
    }
}

/// A class's own Hessian on its support, with the identity elsewhere.
fn system(model: &Model<'_>, class: usize, mask: &DMatrix<f64>) -> DMatrix<f64> {
    let (hessian, chosen) = (&model.hessians[class], mask.column(class));
    let intercept = hessian.nrows() - 1;
    DMatrix::from_fn(hessian.nrows(), hessian.ncols(), |row, column| {
        let ridge = if row == intercept { 0.0 } else { model.problem.penalty.l2 };
        match row == column {
            true if chosen[row] == 0.0 => 1.0,
            true => hessian[(row, row)] + ridge + LEAST_CURVATURE,
            false => hessian[(row, column)] * chosen[row] * chosen[column],
        }
    })
}
