//! The minimum of the softmax loss's quadratic model with the penalty, over all classes.
//!
//! A sample's curvature diag(p) − ppᵀ is at most twice diag(p (1 − p)), so twice the classes' own Hessians bound the whole: with
//! these each class is minimised alone, and the model goes down. That finds which weights are zero. In between, the system of
//! the weights that are not is solved over all classes by conjugate gradients, with the classes' own Hessians as
//! preconditioner (a step goes as far as signs allow). The whole Hessian, of K² blocks, is only ever multiplied: O(n K C).

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::support::Support;
use super::{Problem, centre, probabilities};
use crate::ml::concept::design::transposed;
use crate::ml::concept::quadratic::minimise;

const MAX_ROUNDS: usize = 50;
/// Lengths that are tried of a step that changes signs.
const CLIPPED_STEPS: i32 = 8;

pub(super) struct Model<'a> {
    pub(super) problem: &'a Problem<'a>,
    start: &'a DMatrix<f64>,
    /// Of the loss at the start.
    gradient: &'a DMatrix<f64>,
    /// `[classes, samples]`.
    probabilities: DMatrix<f64>,
    /// Each class's own Hessian.
    pub(super) hessians: Vec<DMatrix<f64>>,
}

/// A point and the slope of the quadratic, without the penalty, there.
pub(super) struct Place {
    pub(super) point: DMatrix<f64>,
    pub(super) slope: DMatrix<f64>,
}

impl<'a> Model<'a> {
    pub(super) fn new(problem: &'a Problem<'a>, start: &'a DMatrix<f64>, gradient: &'a DMatrix<f64>) -> Self {
        let probabilities = problem.design.columns_of(|block| probabilities(start, block));
        let own = |class: usize| {
            let curvatures: Vec<f64> = probabilities.row(class).iter().map(|p| p * (1.0 - p)).collect();
            problem.design.weighted_gram(&curvatures)
        };
        let hessians = (0..problem.classes).into_par_iter().map(own).collect();
        Self { problem, start, gradient, probabilities, hessians }
    }

    /// To a residual of `tolerance`, or as near as the rounds allow.
    pub(super) fn minimise(&self, tolerance: f64) -> DMatrix<f64> {
        let mut place = Place { point: self.start.clone(), slope: self.gradient.clone() };
        for _ in 0..MAX_ROUNDS {
            place = self.descend(&place, 0.1 * tolerance);
            if self.residual(&place) <= tolerance {
                break;
            }
            place = self.solve_support(&place);
            if self.residual(&place) <= tolerance {
                break;
            }
        }
        place.point
    }

    fn residual(&self, place: &Place) -> f64 {
        self.problem.residual(&place.point, &place.slope)
    }

    /// Curvature times a direction.
    pub(super) fn curved(&self, direction: &DMatrix<f64>) -> DMatrix<f64> {
        self.problem.design.mean_of(|first, block| {
            let mut products = direction.transpose() * block;
            let shares = self.probabilities.columns(first, products.ncols());
            for (mut product, share) in products.column_iter_mut().zip(shares.column_iter()) {
                let mean = product.dot(&share);
                product.zip_apply(&share, |product, share| *product = share * (*product - mean));
            }
            block * transposed(products.as_slice(), direction.ncols())
        })
    }

    /// What is common to all classes moves to where it is cheapest: no slope changes by that.
    fn moved(&self, from: &Place, mut point: DMatrix<f64>) -> Place {
        let slope = &from.slope + self.curved(&(&point - &from.point));
        centre(&mut point, self.problem.penalty);
        Place { point, slope }
    }

    /// Every class to the minimum of the bound.
    fn descend(&self, place: &Place, tolerance: f64) -> Place {
        let penalty = self.problem.penalty;
        let of_class = |class: usize| {
            let (point, slope) = (place.point.column(class), place.slope.column(class));
            minimise(&(&self.hessians[class] * 2.0), slope.as_slice(), point.as_slice(), penalty, tolerance)
        };
        let columns: Vec<Vec<f64>> = (0..self.problem.classes).into_par_iter().map(of_class).collect();
        self.moved(place, DMatrix::from_vec(place.point.nrows(), place.point.ncols(), columns.concat()))
    }

    /// Towards the minimum over the weights that are not zero, with those that would change their sign at zero: the first of the
    /// lengths 1, ½, ¼, ... that goes down, or else as far as the first sign.
    fn solve_support(&self, place: &Place) -> Place {
        let support = Support::new(self, &place.point);
        let step = support.solve(&support.slope(place));
        let value = self.value(place);
        let lengths = (0..CLIPPED_STEPS).map(|halvings| 0.5_f64.powi(halvings));
        let mut tries = lengths.map(|length| self.moved(place, clipped(&place.point, &(&step * length))));
        tries
            .find(|next| self.value(next) < value)
            .unwrap_or_else(|| self.moved(place, to_first_zero(&place.point, &step)))
    }

    /// Of the model, relative to the loss at the start.
    fn value(&self, place: &Place) -> f64 {
        0.5 * (self.gradient + &place.slope).dot(&(&place.point - self.start)) + self.problem.penalties(&place.point)
    }
}

/// A step with weights that would change their sign at zero.
fn clipped(point: &DMatrix<f64>, step: &DMatrix<f64>) -> DMatrix<f64> {
    let intercept = point.nrows() - 1;
    step.map_with_location(|row, column, step| {
        let (old, new) = (point[(row, column)], point[(row, column)] + step);
        if row != intercept && old * new < 0.0 { 0.0 } else { new }
    })
}

/// As far as the first weight that becomes zero.
fn to_first_zero(point: &DMatrix<f64>, step: &DMatrix<f64>) -> DMatrix<f64> {
    let intercept = point.nrows() - 1;
    let room = |index: usize| {
        let to_zero = -point[index] / step[index];
        (index % point.nrows() != intercept && to_zero > 0.0).then_some((index, to_zero))
    };
    let first = (0..point.len()).filter_map(room).min_by(|left, right| left.1.total_cmp(&right.1));
    let Some((index, length)) = first.filter(|(_, length)| *length < 1.0) else { return point + step };
    let mut moved = point + step * length;
    moved[index] = 0.0;
    moved
}
