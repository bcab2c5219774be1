//! Negative preference optimisation (Zhang et al., arXiv 2404.05868) and its length-normalised kin (Fan et al., arXiv 2410.07163).

use tch::{TchError, Tensor};

use crate::domain::Result;
use crate::ml::torch::torch_error;

/// `-(2/β) log σ(β (nll - reference))` of each example, from summed negative log-likelihoods `[N]`.
pub fn npo(losses: &Tensor, reference: &Tensor, beta: f64) -> Result<Tensor> {
    losses.f_sub(reference).and_then(|ratio| preference(&ratio, beta)).map_err(torch_error("take the NPO loss"))
}

/// `-(2/β) log σ(β (nll/length - δ))` of each example; `lengths` `[N]` are numbers of labelled tokens.
pub fn simnpo(losses: &Tensor, lengths: &Tensor, beta: f64, delta: f64) -> Result<Tensor> {
    let loss = || preference(&losses.f_div(lengths)?.f_sub_scalar(delta)?, beta);
    loss().map_err(torch_error("take the SimNPO loss"))
}

fn preference(ratio: &Tensor, beta: f64) -> std::result::Result<Tensor, TchError> {
    ratio.f_mul_scalar(beta)?.f_log_sigmoid()?.f_mul_scalar(-2.0 / beta)
}
