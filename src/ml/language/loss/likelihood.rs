//! Negative log-likelihoods and divergences, in f32 at least.

use tch::{Kind, Reduction, TchError, Tensor};

use crate::domain::Result;
use crate::ml::torch::torch_error;

/// `-log p(target)` of each row: logits `[M,V]`, targets `[M]` i64, to `[M]`.
pub fn token_losses(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let losses = || log_probabilities(logits)?.f_nll_loss::<Tensor>(targets, None, Reduction::None, -100);
    losses().map_err(torch_error("take the likelihood of the labelled tokens"))
}

/// Sums over the rows of each example: `owners` `[M]` i64 names the example of a row, below `count`.
pub fn sequence_losses(losses: &Tensor, owners: &Tensor, count: usize) -> Result<Tensor> {
    let sum =
        || losses.f_new_zeros([count as i64], (losses.f_kind()?, losses.device()))?.f_index_add(0, owners, losses);
    sum().map_err(torch_error("sum the likelihood of the examples"))
}

/// `KL(reference ‖ model)` of each row, `[M,V]` to `[M]`.
pub fn divergences(logits: &Tensor, reference: &Tensor) -> Result<Tensor> {
    let divergence = || {
        let reference = log_probabilities(reference)?;
        let gap = reference.f_sub(&log_probabilities(logits)?)?;
        reference.f_exp()?.f_mul(&gap)?.f_sum_dim_intlist(-1_i64, false, None::<Kind>)
    };
    divergence().map_err(torch_error("take the divergence from the reference"))
}

pub(super) fn log_probabilities(logits: &Tensor) -> std::result::Result<Tensor, TchError> {
    let kind = if logits.f_kind()? == Kind::Double { Kind::Double } else { Kind::Float };
    logits.f_to_kind(kind)?.f_log_softmax(-1, kind)
}
