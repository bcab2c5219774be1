//! L2-regularised logistic regression in scikit-learn's parametrisation, by Newton's method with a backtracking line search.
//!
//! Minimises ½ w·w + C Σ log(1 + exp(−y (w·x + b))) with y = ±1 and b unpenalised, until the gradient's norm is 1e-8. The
//! objective is strictly convex when both sides are present, so its minimum is the one that scikit-learn's lbfgs stops near.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::features::Features;

const GRADIENT_NORM: f64 = 1e-8;
const MAX_ITERATIONS: usize = 100;
/// The relative error of a sum over the samples.
const ROUNDING: f64 = 1e-13;
const MAX_HALVINGS: usize = 40;
/// The share of the decrease promised by the gradient that a step must bring (Armijo).
const SUFFICIENT_DECREASE: f64 = 1e-4;

#[derive(Debug, Clone, PartialEq)]
pub struct LogisticRegression {
    pub coefficients: Vec<f64>,
    pub intercept: f64,
}

impl LogisticRegression {
    /// Fits to `features` with `member[i]` true for the positive side. Both sides must be present.
    pub fn fit(features: &Features, member: &[bool], c: f64) -> Self {
        debug_assert_eq!(features.len(), member.len(), "one side for each row");
        debug_assert!(member.contains(&true) && member.contains(&false), "both sides are needed");
        let problem = Problem { features, member, c };
        let mut point = DVector::zeros(features.columns() + 1);
        for _ in 0..MAX_ITERATIONS {
            let (gradient, hessian) = problem.derivatives(&point);
            if gradient.norm() <= GRADIENT_NORM {
                break;
            }
            let Some(factor) = damped_cholesky(hessian) else { break };
            let direction = -factor.solve(&gradient);
            let slope = direction.dot(&gradient);
            let objective = problem.objective(&point);
            if -slope <= ROUNDING * objective {
                // What is left to gain drowns in rounding: the full step is the last.
                point += direction;
                break;
            }
            let Some(next) = problem.line_search(&point, objective, &direction, slope) else { break };
            point = next;
        }
        let intercept = point[features.columns()];
        Self { coefficients: point.rows(0, features.columns()).iter().copied().collect(), intercept }
    }

    /// w·x + b for every row; positive means member.
    pub fn decisions(&self, features: &Features) -> Vec<f64> {
        features.rows().map(|row| dot(row, &self.coefficients) + self.intercept).collect()
    }
}

struct Problem<'a> {
    features: &'a Features,
    member: &'a [bool],
    c: f64,
}

impl Problem<'_> {
    fn objective(&self, point: &DVector<f64>) -> f64 {
        let weights = &point.as_slice()[..self.features.columns()];
        let losses = self.margins(point).zip(self.member).map(|(z, member)| softplus(if *member { -z } else { z }));
        0.5 * dot(weights, weights) + self.c * losses.sum::<f64>()
    }

    fn margins<'a>(&'a self, point: &'a DVector<f64>) -> impl Iterator<Item = f64> + 'a {
        let (weights, intercept) = point.as_slice().split_at(self.features.columns());
        self.features.rows().map(move |row| dot(row, weights) + intercept[0])
    }

    /// Gradient and Hessian; the intercept is the last variable.
    fn derivatives(&self, point: &DVector<f64>) -> (DVector<f64>, DMatrix<f64>) {
        let columns = self.features.columns();
        let mut gradient = point.clone();
        gradient[columns] = 0.0;
        let mut hessian = DMatrix::identity(columns + 1, columns + 1);
        hessian[(columns, columns)] = 0.0;
        for ((row, z), member) in self.features.rows().zip(self.margins(point)).zip(self.member) {
            let probability = sigmoid(z);
            let error = if *member { -sigmoid(-z) } else { probability };
            add_sample(&mut gradient, &mut hessian, row, self.c * error, self.c * probability * sigmoid(-z));
        }
        (gradient, hessian)
    }

    /// The first of the points at 1, ½, ¼, ... of the way that goes down enough.
    fn line_search(
        &self,
        point: &DVector<f64>,
        start: f64,
        direction: &DVector<f64>,
        slope: f64,
    ) -> Option<DVector<f64>> {
        let tries = (0..MAX_HALVINGS).map(|halvings| 0.5_f64.powi(halvings as i32));
        tries.map(|length| (length, point + direction * length)).find_map(|(length, next)| {
            let down_enough = self.objective(&next) <= start + SUFFICIENT_DECREASE * length * slope;
            (down_enough && next != *point).then_some(next)
        })
    }
}

/// Adds a sample's part: `error`·x to the gradient and `curvature`·x xᵀ to the Hessian, x with a 1 for the intercept.
fn add_sample(gradient: &mut DVector<f64>, hessian: &mut DMatrix<f64>, row: &[f64], error: f64, curvature: f64) {
    let extended = |index: usize| row.get(index).copied().unwrap_or(1.0);
    for first in 0..=row.len() {
        gradient[first] += error * extended(first);
        for second in 0..=row.len() {
            hessian[(second, first)] += curvature * extended(first) * extended(second);
        }
    }
}

/// The Hessian is positive definite but for saturated samples; then a growing ridge makes it so. `None` of a matrix that no
/// ridge helps, which takes values that are not finite.
fn damped_cholesky(hessian: DMatrix<f64>) -> Option<Cholesky<f64, Dyn>> {
    let size = hessian.nrows();
    let scale = hessian.diagonal().max().max(1.0);
    let ridges = std::iter::once(0.0).chain((-12..=0).map(|power| scale * 10.0_f64.powi(power)));
    ridges.map(|ridge| &hessian + DMatrix::identity(size, size) * ridge).find_map(Cholesky::new)
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

pub(in crate::ml) fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 { 1.0 / (1.0 + (-z).exp()) } else { z.exp() / (1.0 + z.exp()) }
}

/// log(1 + exp z) without overflow.
pub(in crate::ml) fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symmetric_data_have_no_intercept() {
        let features = Features::new(1, vec![-2.0, -1.0, 1.0, 2.0]);
        let fit = LogisticRegression::fit(&features, &[false, true, false, true], 1.0);
        assert!(fit.intercept.abs() < 1e-9);
        assert!(fit.coefficients[0] > 0.0);
    }

    #[test]
    fn separated_sides_of_wild_scale_still_end_at_a_finite_minimum() {
        let features = Features::new(1, vec![0.0, 1e-9, 1e-7, 400.0, 800.0, 1000.0]);
        let fit = LogisticRegression::fit(&features, &[true, true, true, false, false, false], 1.0);
        let decisions = fit.decisions(&features);
        assert!(decisions[..3].iter().all(|decision| *decision > 0.0), "{decisions:?}");
        assert!(decisions[3..].iter().all(|decision| *decision < 0.0), "{decisions:?}");
    }
}
