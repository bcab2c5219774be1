//! Integrated gradients: Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", equation 1:
//! `(x - x') * sum over k of w_k dF(x' + t_k (x - x')) / dx` with points `t` and weights `w` of a quadrature rule.
//!
//! As Captum 0.8's `IntegratedGradients`, but for the model's first layer, which is linear: the path is lifted through it at its
//! ends, and the sum of the gradients is taken back through it once instead of each gradient.

use std::ops::Range;

use tch::{TchError, Tensor};

use super::method::{Answer, Context, Method, Question, Space, Subject};
use super::quadrature::Quadrature;
use crate::domain::Result;
use crate::domain::attribution::QuadratureRule;
use crate::ml::torch::torch_error;

#[derive(Debug)]
pub(super) struct IntegratedGradients {
    quadrature: Quadrature,
}

impl IntegratedGradients {
    pub(super) fn new(rule: QuadratureRule, steps: usize) -> Self {
        Self { quadrature: Quadrature::new(rule, steps) }
    }
}

impl Method for IntegratedGradients {
    fn question(&self) -> Question {
        Question::Gradients
    }

    fn space(&self) -> Space {
        Space::Lifted
    }

    fn row_count(&self) -> usize {
        self.quadrature.points.len()
    }

    fn takes_each_baseline(&self) -> bool {
        true
    }

    fn write_rows(&self, subject: &Subject, _: &Context, range: Range<usize>, rows: &Tensor) -> Result<Option<Tensor>> {
        let [start, end] = &subject.ends;
        let interpolate = || {
            let points = column(&self.quadrature.points[range], rows)?;
            start.f_lerp_tensor_out(rows, end, &points).map(drop)
        };
        interpolate().map_err(torch_error("interpolate between baseline and input"))?;
        Ok(None)
    }

    fn add(&self, _: &Subject, answer: &Answer<'_>, sum: Option<Tensor>) -> Result<Tensor> {
        let Some(gradients) = answer.gradients else { return Err(super::unasked()) };
        let weights = &self.quadrature.weights[answer.rows.clone()];
        accumulate(gradients, weights, sum).map_err(torch_error("sum the gradients"))
    }

    fn finish(&self, subject: &Subject, context: &Context, sum: Tensor) -> Result<Tensor> {
        let gradient = context.model.lower(&sum)?;
        let scaled = subject.input.f_sub(&subject.baseline).and_then(|way| way.f_mul(&gradient));
        scaled.map_err(torch_error("scale the gradients"))
    }
}

/// One number for each row, to be multiplied with rows `[n,C,H,W]`.
pub(super) fn column(values: &[f64], like: &Tensor) -> std::result::Result<Tensor, TchError> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Tensor::f_from_slice(&values)?.f_to_device(like.device())?.f_to_kind(like.kind())?.f_view([-1, 1, 1, 1])
}

/// `sum + weights . gradients` in one pass over the gradients `[n,C,H,W]`, whose memory is channels_last.
pub(super) fn accumulate(
    gradients: &Tensor,
    weights: &[f64],
    sum: Option<Tensor>,
) -> std::result::Result<Tensor, TchError> {
    let (count, channels, height, width) = gradients.size4()?;
    let flat = gradients.f_permute([0, 2, 3, 1])?.f_reshape([count, -1])?;
    let weights = column(weights, gradients)?.f_view([1, -1])?;
    let share = weights.f_matmul(&flat)?.f_view([1, height, width, channels])?.f_permute([0, 3, 1, 2])?;
    sum.map_or(Ok(share.shallow_clone()), |mut sum| sum.f_add_(&share))
}
