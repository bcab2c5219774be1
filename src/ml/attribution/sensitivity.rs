//! Largest sensitivity: Yeh et al. 2019, "On the (In)fidelity and Sensitivity of Explanations", definition 2.2, estimated by the
//! largest `|A(x + u) - A(x)| / |A(x)|` (Euclidean norms) over perturbations `u` drawn uniformly from the cube of radius .02. As
//! Captum 0.8's `sensitivity_max`. Baselines and noise are those of `x`.

use std::rc::Rc;

use tch::{Kind, TchError, Tensor};

use super::method::{Context, Method, Question, Space};
use super::noise::add;
use super::randomness::Draw;
use super::rows::Rows;
use super::stage::{Answers, Stage};
use super::sweep::{Origin, Sweep};
use crate::domain::Result;
use crate::ml::random::Purpose;
use crate::ml::torch::torch_error;

pub(super) const PERTURBATIONS: usize = 10;
const RADIUS: f64 = 0.02;

#[derive(Debug)]
pub(super) struct Sensitivity {
    origin: Rc<Origin>,
    method: Rc<dyn Method>,
    attribution: Tensor,
    /// The attribution of perturbed copy `number`.
    sweep: Sweep,
    number: usize,
    rows_each: usize,
    largest: f64,
}

impl Sensitivity {
    /// Of the attribution `[1,C,H,W]` of the origin's input by this method.
    pub(super) fn new(
        origin: Rc<Origin>,
        method: Rc<dyn Method>,
        attribution: Tensor,
        context: &Context,
    ) -> Result<Self> {
        let sweep = perturbed(&origin, &method, 0, context)?;
        let rows_each = sweep.remaining();
        Ok(Self { origin, method, attribution, sweep, number: 0, rows_each, largest: 0.0 })
    }

    pub(super) fn finish(&self) -> f64 {
        self.largest
    }
}

/// The attribution of the `number`-th perturbed copy, about to be computed.
fn perturbed(origin: &Rc<Origin>, method: &Rc<dyn Method>, number: usize, context: &Context) -> Result<Sweep> {
    let draw = Draw { purpose: Purpose::Sensitivity, item: origin.stream, number: number as u64 };
    let uniform = context.randomness.uniform(draw, origin.input.numel());
    let perturbation = uniform.into_iter().map(|value| (2.0 * value - 1.0) * RADIUS);
    let input = add(&origin.input, perturbation).map_err(torch_error("perturb the input"))?;
    Ok(Sweep::new(origin.clone(), method.clone(), input, context))
}

/// A norm of 0 counts as 1, as in Captum.
fn relative_change(changed: &Tensor, attribution: &Tensor) -> std::result::Result<f64, TchError> {
    let norm = |tensor: &Tensor| tensor.f_to_kind(Kind::Double)?.f_square()?.f_sum(None)?.f_sqrt()?.f_double_value(&[]);
    let whole = norm(attribution)?;
    Ok(norm(&changed.f_sub(attribution)?)? / if whole == 0.0 { 1.0 } else { whole })
}

impl Stage for Sensitivity {
    fn question(&self) -> Question {
        self.method.question()
    }

    fn space(&self) -> Space {
        self.method.space()
    }

    fn ready(&self) -> usize {
        self.sweep.ready()
    }

    fn remaining(&self) -> usize {
        self.sweep.remaining() + (PERTURBATIONS - 1).saturating_sub(self.number) * self.rows_each
    }

    fn write(&mut self, context: &Context, rows: &mut Rows) -> Result<usize> {
        self.sweep.write(context, rows)
    }

    fn accept(&mut self, context: &Context, answers: &Answers<'_>) -> Result<()> {
        self.sweep.accept(context, answers)?;
        if self.sweep.remaining() > 0 {
            return Ok(());
        }
        let change = relative_change(&self.sweep.finish()?, &self.attribution);
        self.largest = self.largest.max(change.map_err(torch_error("compare attributions"))?);
        self.number += 1;
        if self.number < PERTURBATIONS {
            self.sweep = perturbed(&self.origin, &self.method, self.number, context)?;
        }
        Ok(())
    }
}
