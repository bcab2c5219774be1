//! Elastic-net logistic regression of one class by proximal Newton steps (Friedman, Hastie and Tibshirani 2010; Lee, Sun and
//! Saunders 2014): the loss is replaced by its quadratic model, `quadratic` minimises model and penalty, and a backtracking line
//! search makes every step go down.

use crate::domain::Result;
use crate::ml::interrupt::Interrupt;
use crate::ml::membership::logistic::{sigmoid, softplus};

use super::design::Design;
use super::quadratic::{Penalty, minimise};
use super::rows::dot;

/// Where a fit counts as done; it goes on to `TARGET` while steps still help, because Newton steps get there for little more.
pub(super) const CONVERGED: f64 = 1e-6;
pub(super) const TARGET: f64 = 1e-9;
pub(super) const MAX_ITERATIONS: u32 = 100;
pub(super) const MAX_HALVINGS: i32 = 40;
/// The share of the promised decrease that a step must bring (Armijo).
pub(super) const SUFFICIENT_DECREASE: f64 = 1e-4;
/// The relative error of a sum over the samples.
pub(super) const ROUNDING: f64 = 1e-14;
const LEAST_WEIGHT: f64 = 1e-12;

/// One class against the rest: the mean of log(1 + exp z) − positive·z with z = w·x + b.
#[derive(Debug)]
pub(super) struct Problem<'a> {
    pub(super) design: &'a Design,
    pub(super) positive: Vec<bool>,
    pub(super) penalty: Penalty,
}

/// A point (weights, then the intercept), its margins, and how far it is from optimal.
#[derive(Debug)]
pub(super) struct Fit {
    pub(super) point: Vec<f64>,
    margins: Vec<f64>,
    pub(super) residual: f64,
    pub(super) iterations: u32,
}

impl Problem<'_> {
    /// Steps from the best constant until the residual is `TARGET` or nothing goes down any more.
    pub(super) fn fit(&self, interrupt: &Interrupt) -> Result<Fit> {
        let mut fit = self.start();
        while fit.residual > TARGET && fit.iterations < MAX_ITERATIONS {
            interrupt.check()?;
            if !self.step(&mut fit) {
                break;
            }
        }
        Ok(fit)
    }

    fn start(&self) -> Fit {
        let share = self.positive.iter().filter(|positive| **positive).count() as f64 / self.positive.len() as f64;
        let mut point = vec![0.0; self.design.width()];
        point[self.design.width() - 1] = (share / (1.0 - share)).ln();
        let margins = self.design.margins(&point);
        let mut fit = Fit { point, margins, residual: f64::INFINITY, iterations: 0 };
        self.refresh(&mut fit);
        fit
    }

    fn refresh(&self, fit: &mut Fit) {
        fit.residual = self.penalty.residual(&fit.point, &self.gradient(&fit.margins));
    }

    /// One Newton step; false where none goes down, or where the gain drowned in rounding so that it was the last.
    fn step(&self, fit: &mut Fit) -> bool {
        let gradient = self.gradient(&fit.margins);
        let hessian = self.design.weighted_gram(&self.curvatures(&fit.margins));
        let tolerance = (1e-3 * fit.residual).max(1e-2 * TARGET);
        let target = minimise(&hessian, &gradient, &fit.point, self.penalty, tolerance);
        let direction: Vec<f64> = target.iter().zip(&fit.point).map(|(target, point)| target - point).collect();
        let promised = dot(&gradient, &direction) + self.penalty.value(&target) - self.penalty.value(&fit.point);
        let along = self.design.margins(&direction);
        let start = self.objective(&fit.margins, &fit.point);
        let last = -promised <= ROUNDING * start;
        let length = if last { Some(1.0) } else { self.search(fit, &direction, &along, start, promised) };
        fit.iterations += 1;
        let Some(length) = length else { return false };
        // At full length the zeros of the model's minimum stay exact.
        fit.point = if length == 1.0 { target } else { moved(&fit.point, &direction, length) };
        fit.margins = moved(&fit.margins, &along, length);
        self.refresh(fit);
        !last
    }

    /// The first of the lengths 1, ½, ¼, ... that goes down enough.
    fn search(&self, fit: &Fit, direction: &[f64], along: &[f64], start: f64, promised: f64) -> Option<f64> {
        (0..MAX_HALVINGS).map(|halvings| 0.5_f64.powi(halvings)).find(|length| {
            let point = moved(&fit.point, direction, *length);
            let value = self.objective(&moved(&fit.margins, along, *length), &point);
            value <= start + SUFFICIENT_DECREASE * length * promised
        })
    }

    fn objective(&self, margins: &[f64], point: &[f64]) -> f64 {
        let losses = self.signed(margins).map(|(z, positive)| softplus(if positive { -z } else { z }));
        losses.sum::<f64>() / margins.len() as f64 + self.penalty.value(point)
    }

    fn gradient(&self, margins: &[f64]) -> Vec<f64> {
        let error = |(z, positive): (f64, bool)| if positive { -sigmoid(-z) } else { sigmoid(z) };
        self.design.mean(&self.signed(margins).map(error).collect::<Vec<_>>())
    }

    fn curvatures(&self, margins: &[f64]) -> Vec<f64> {
        self.signed(margins).map(|(z, _)| (sigmoid(z) * sigmoid(-z)).max(LEAST_WEIGHT)).collect()
    }

    fn signed<'a>(&'a self, margins: &'a [f64]) -> impl Iterator<Item = (f64, bool)> + 'a {
        margins.iter().copied().zip(self.positive.iter().copied())
    }
}

fn moved(from: &[f64], direction: &[f64], length: f64) -> Vec<f64> {
    from.iter().zip(direction).map(|(from, direction)| from + length * direction).collect()
}
