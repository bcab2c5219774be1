//! The minimum of a quadratic model with an elastic-net penalty: what one proximal Newton step needs.
//!
//! Minimises ½ dᵀHd + gᵀd + penalty(v + d) over d. The last variable is the intercept and is not penalised. Coordinate descent finds
//! which variables are zero; between its sweeps the system of the variables that are not zero is solved exactly, with their
//! signs kept (a step goes as far as the first change of sign). The exact solves are what bad conditioning asks for.

use nalgebra::{Cholesky, DMatrix, DVector};

const SWEEPS: usize = 10;
const MAX_ROUNDS: usize = 100;
/// Keeps the curvature of a variable that nothing depends on above zero.
const LEAST_CURVATURE: f64 = 1e-14;

/// ½ l2 ‖w‖² + l1 |w|₁.
#[derive(Debug, Clone, Copy)]
pub(super) struct Penalty {
    pub(super) l1: f64,
    pub(super) l2: f64,
}

impl Penalty {
    /// Of a point whose last entry is the intercept.
    pub(super) fn value(self, point: &[f64]) -> f64 {
        point[..point.len() - 1].iter().map(|weight| 0.5 * self.l2 * weight * weight + self.l1 * weight.abs()).sum()
    }

    /// How far the optimality conditions are from holding, at the worst variable.
    pub(super) fn residual(self, point: &[f64], gradient: &[f64]) -> f64 {
        let intercept = point.len() - 1;
        let violations = point[..intercept].iter().zip(gradient).map(|(weight, slope)| self.violation(*weight, *slope));
        violations.fold(gradient[intercept].abs(), f64::max)
    }

    fn violation(self, weight: f64, slope: f64) -> f64 {
        if weight == 0.0 {
            return (slope.abs() - self.l1).max(0.0);
        }
        (slope + self.l2 * weight + self.l1 * weight.signum()).abs()
    }
}

/// The point v + d of the minimum, to a residual of `tolerance` or as near as the rounds allow.
pub(super) fn minimise(
    hessian: &DMatrix<f64>,
    gradient: &[f64],
    start: &[f64],
    penalty: Penalty,
    tolerance: f64,
) -> Vec<f64> {
    let mut state = State { hessian, penalty, point: start.to_vec(), gradient: gradient.to_vec() };
    for _ in 0..MAX_ROUNDS {
        for _ in 0..SWEEPS {
            (0..state.point.len()).for_each(|variable| state.descend(variable));
        }
        if penalty.residual(&state.point, &state.gradient) <= tolerance {
            break;
        }
        state.solve_support();
    }
    state.point
}

struct State<'a> {
    hessian: &'a DMatrix<f64>,
    penalty: Penalty,
    point: Vec<f64>,
    /// Of the quadratic alone, at `point`.
    gradient: Vec<f64>,
}

impl State<'_> {
    fn is_intercept(&self, variable: usize) -> bool {
        variable + 1 == self.point.len()
    }

    /// To the minimum along one variable.
    fn descend(&mut self, variable: usize) {
        let (old, slope) = (self.point[variable], self.gradient[variable]);
        let curvature = self.hessian[(variable, variable)] + LEAST_CURVATURE;
        let new = if self.is_intercept(variable) {
            old - slope / curvature
        } else {
            soft(curvature * old - slope, self.penalty.l1) / (curvature + self.penalty.l2)
        };
        self.shift(variable, new - old);
        self.point[variable] = new;
    }

    /// The gradient after a variable moved.
    fn shift(&mut self, variable: usize, step: f64) {
        if step != 0.0 {
            let column = self.hessian.column(variable);
            self.gradient.iter_mut().zip(column.iter()).for_each(|(slope, second)| *slope += step * second);
        }
    }

    /// To the minimum over the variables that are not zero, or as far as their signs allow.
    fn solve_support(&mut self) {
        let intercept = self.point.len() - 1;
        let support: Vec<usize> = (0..=intercept).filter(|v| *v == intercept || self.point[*v] != 0.0).collect();
        let Some(steps) = self.support_steps(&support) else { return };
        let room = |(variable, step): (&usize, &f64)| {
            let to_zero = -self.point[*variable] / step;
            (*variable != intercept && to_zero > 0.0).then_some((*variable, to_zero))
        };
        let first = support.iter().zip(steps.iter()).filter_map(room).min_by(|left, right| left.1.total_cmp(&right.1));
        let length = first.map_or(1.0, |(_, to_zero)| to_zero.min(1.0));
        for (variable, step) in support.iter().zip(steps.iter()) {
            self.shift(*variable, length * step);
            self.point[*variable] += length * step;
        }
        if let Some((variable, to_zero)) = first.filter(|(_, to_zero)| *to_zero <= 1.0) {
            debug_assert!(to_zero > 0.0, "a variable of the support is not zero");
            self.shift(variable, -self.point[variable]);
            self.point[variable] = 0.0;
        }
    }

    fn support_steps(&self, support: &[usize]) -> Option<DVector<f64>> {
        let size = support.len();
        let ridge = |row: usize, column: usize| match row == column {
            true if self.is_intercept(support[row]) => LEAST_CURVATURE,
            true => self.penalty.l2 + LEAST_CURVATURE,
            false => 0.0,
        };
        let system = DMatrix::from_fn(size, size, |row, column| {
            self.hessian[(support[row], support[column])] + ridge(row, column)
        });
        let slopes = DVector::from_iterator(size, support.iter().map(|variable| -self.slope(*variable)));
        let steps = Cholesky::new(system)?.solve(&slopes);
        steps.iter().all(|step| step.is_finite()).then_some(steps)
    }

    /// Of the quadratic and the penalty, at a variable that is not zero.
    fn slope(&self, variable: usize) -> f64 {
        let weight = self.point[variable];
        let penalty = self.penalty.l2 * weight + self.penalty.l1 * weight.signum();
        self.gradient[variable] + if self.is_intercept(variable) { 0.0 } else { penalty }
    }
}

fn soft(value: f64, threshold: f64) -> f64 {
    value.signum() * (value.abs() - threshold).max(0.0)
}
