//! Elastic-net softmax regression by proximal Newton steps over all classes together: `model` minimises the quadratic model of the
//! loss with the penalty, and a backtracking line search makes every step go down. Points have a column for each class, weights
//! and then the intercept.

mod model;
mod shift;
mod support;

use nalgebra::{DMatrix, DMatrixView};

use crate::domain::Result;
use crate::ml::interrupt::Interrupt;

use super::design::{Design, transposed};
use super::elastic_net::{MAX_HALVINGS, MAX_ITERATIONS, ROUNDING, SUFFICIENT_DECREASE, TARGET};
use super::quadratic::Penalty;
use model::Model;
use shift::centre;

/// Of a model's minimum, relative to the residual of the step before it.
const INNER_TOLERANCE: f64 = 0.05;

/// Points of the classes `present`, the worst residual over them, and the steps taken.
pub(super) fn fit(
    design: &Design,
    labels: &[u32],
    present: &[u32],
    penalty: Penalty,
    interrupt: &Interrupt,
) -> Result<(Vec<Vec<f64>>, f64, u32)> {
    let labels = labels.iter().map(|label| present.partition_point(|class| class < label)).collect();
    let problem = Problem { design, labels, classes: present.len(), penalty };
    let mut point = problem.start();
    let mut place = problem.at(&point);
    let mut steps = 0;
    while place.residual > TARGET && steps < MAX_ITERATIONS {
        interrupt.check()?;
        let Some((next, last)) = problem.step(&point, &place) else { break };
        point = next;
        place = problem.at(&point);
        steps += 1;
        if last {
            break;
        }
    }
    Ok((point.column_iter().map(|column| column.iter().copied().collect()).collect(), place.residual, steps))
}

struct Problem<'a> {
    design: &'a Design,
    /// Places in the list of classes that are present.
    labels: Vec<usize>,
    classes: usize,
    penalty: Penalty,
}

/// What the loss is like at a point.
struct Place {
    gradient: DMatrix<f64>,
    residual: f64,
}

impl Problem<'_> {
    /// The best constant.
    fn start(&self) -> DMatrix<f64> {
        let mut point = DMatrix::zeros(self.design.width(), self.classes);
        self.labels.iter().for_each(|class| point[(self.design.width() - 1, *class)] += 1.0);
        point
            .row_mut(self.design.width() - 1)
            .apply(|count: &mut f64| *count = (*count / self.labels.len() as f64).ln());
        centre(&mut point, self.penalty);
        point
    }

    fn at(&self, point: &DMatrix<f64>) -> Place {
        let gradient = self.design.mean_of(|first, block| {
            let mut errors = probabilities(point, block);
            errors.column_iter_mut().zip(&self.labels[first..]).for_each(|(mut error, class)| error[*class] -= 1.0);
            block * transposed(errors.as_slice(), self.classes)
        });
        let residual = self.residual(point, &gradient);
        Place { gradient, residual }
    }

    fn residual(&self, point: &DMatrix<f64>, gradient: &DMatrix<f64>) -> f64 {
        let columns = point.column_iter().zip(gradient.column_iter());
        columns.map(|(point, slope)| self.penalty.residual(point.as_slice(), slope.as_slice())).fold(0.0, f64::max)
    }

    fn penalties(&self, point: &DMatrix<f64>) -> f64 {
        point.column_iter().map(|column| self.penalty.value(column.as_slice())).sum()
    }

    fn objective(&self, point: &DMatrix<f64>) -> f64 {
        let loss = self.design.mean_of(|first, block| {
            let margins = point.transpose() * block;
            let samples = margins.column_iter().zip(&self.labels[first..]);
            DMatrix::repeat(
                1,
                1,
                samples.map(|(margins, class)| log_sum_exp(margins.as_slice()) - margins[*class]).sum(),
            )
        });
        loss[(0, 0)] + self.penalties(point)
    }

    /// One Newton step, and whether its gain drowned in rounding so that it is the last; `None` where none goes down.
    fn step(&self, point: &DMatrix<f64>, place: &Place) -> Option<(DMatrix<f64>, bool)> {
        let tolerance = (INNER_TOLERANCE * place.residual).max(1e-2 * TARGET);
        let target = Model::new(self, point, &place.gradient).minimise(tolerance);
        let direction = &target - point;
        let promised = place.gradient.dot(&direction) + self.penalties(&target) - self.penalties(point);
        let start = self.objective(point);
        if -promised <= ROUNDING * start {
            return Some((target, true));
        }
        (0..MAX_HALVINGS).map(|halvings| 0.5_f64.powi(halvings)).find_map(|length| {
            // At full length the zeros of the model's minimum stay exact.
            let mut next = if length == 1.0 { target.clone() } else { point + &direction * length };
            centre(&mut next, self.penalty);
            let down = self.objective(&next) <= start + SUFFICIENT_DECREASE * length * promised;
            down.then_some((next, false))
        })
    }
}

/// `[classes, rows]` of a block.
fn probabilities(point: &DMatrix<f64>, block: DMatrixView<'_, f64>) -> DMatrix<f64> {
    let mut margins = point.transpose() * block;
    for mut column in margins.column_iter_mut() {
        let total = log_sum_exp(column.as_slice());
        column.apply(|margin| *margin = (*margin - total).exp());
    }
    margins
}

fn log_sum_exp(margins: &[f64]) -> f64 {
    let highest = margins.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    highest + margins.iter().map(|margin| (margin - highest).exp()).sum::<f64>().ln()
}
