//! How a class's log-probability grows with the activations below the head: what TCAV's directional derivatives are made of.
//!
//! At the penultimate layer the derivative of a logit of a linear head is the same for every sample, so that TCAV's score could
//! be 0 or 1 only; the log-probability (the loss that the reference implementation differentiates) depends on the sample.

use tch::{Kind, Tensor};

use super::embed::Embeddings;
use crate::domain::Result;
use crate::ml::backbone::Backbone;
use crate::ml::torch::torch_error;

/// `d log_softmax(head(e))[class] / d e` of each row, `[rows, dim]` row after row.
pub fn head_gradients(backbone: &Backbone, rows: &Embeddings, class: u32) -> Result<Vec<f32>> {
    if rows.values.is_empty() {
        return Ok(Vec::new());
    }
    let failed = torch_error("differentiate the head");
    let features = || {
        let size = [rows.rows() as i64, rows.dim as i64];
        let features = Tensor::f_from_slice(&rows.values)?.f_view(size)?.f_to_device(backbone.device())?;
        features.f_set_requires_grad(true)
    };
    let features = features().map_err(&failed)?;
    let logits = backbone.head(&features)?;
    let differentiate = || {
        let total = logits.f_log_softmax(-1, Kind::Float)?.f_select(1, i64::from(class))?.f_sum(Kind::Float)?;
        let gradients = Tensor::f_run_backward(&[total], &[&features], false, false)?;
        let gradient = gradients.into_iter().next().unwrap_or_else(Tensor::new);
        Vec::try_from(gradient.f_to_device(tch::Device::Cpu)?.f_contiguous()?.f_view([-1])?)
    };
    differentiate().map_err(failed)
}
