//! Likelihoods of tokens whose logits are not kept: rows go through the head some at a time, and each leaves its loss and the gradient of
//! its loss behind. A row's loss depends on its own hidden state alone, so that is all that the way back needs, whatever is made of the
//! losses. Only for a head that is not trained.

use tch::{TchError, Tensor};

use super::likelihood::log_probabilities;
use crate::domain::Result;
use crate::ml::language::linear::Linear;
use crate::ml::torch::{NoGrad, torch_error};

/// Logits that are made together: more rows make a better product, fewer stay in the processor's cache.
pub const LEAN_LOGITS: i64 = 1 << 23;
/// Products go by so many rows at a time; others cost as much as the next multiple.
const WHOLE_ROWS: i64 = 64;

/// `-log p(target)` of each row: hidden states `[M,D]`, targets `[M]` i64, to `[M]`. Gradients flow to the hidden states.
pub fn lean_token_losses(head: &Linear, hidden: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let fitting = (LEAN_LOGITS / head.weight().size()[0]).max(1);
    let most = if fitting > WHOLE_ROWS { fitting / WHOLE_ROWS * WHOLE_ROWS } else { fitting };
    losses(&head.lowered()?, hidden, targets, most)
}

/// Of `most` rows at a time.
fn losses(head: &Linear, hidden: &Tensor, targets: &Tensor, most: i64) -> Result<Tensor> {
    let failed = torch_error("take the likelihood of the labelled tokens");
    let states = hidden.f_detach().map_err(&failed)?;
    let (losses, slopes) = in_parts(head, [&states, targets], most, hidden.requires_grad())?;
    // Nothing in value; its gradient for the hidden state of a row is the slope of the row.
    let tie = |slopes: &Tensor| hidden.f_sub(&states)?.f_mul(slopes)?.f_sum_dim_intlist(-1_i64, false, None);
    match slopes {
        Some(slopes) => tie(&slopes).and_then(|tie| losses.f_add(&tie)).map_err(failed),
        None => Ok(losses),
    }
}

/// Losses `[M]` and, where asked for, their gradients `[M,D]`.
fn in_parts(head: &Linear, rows: [&Tensor; 2], most: i64, slopes: bool) -> Result<(Tensor, Option<Tensor>)> {
    let failed = torch_error("take the likelihood of the labelled tokens");
    let _guard = NoGrad::enter();
    let [states, targets] = rows.map(|rows| rows.f_split(most, 0).map_err(&failed));
    let parts = states?.into_iter().zip(targets?);
    let parts: Vec<_> = parts.map(|(states, targets)| part(head, &states, &targets, slopes)).collect::<Result<_>>()?;
    let (losses, found): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let found: Vec<Tensor> = found.into_iter().flatten().collect();
    let found = slopes.then(|| Tensor::f_cat(&found, 0)).transpose().map_err(&failed)?;
    Ok((Tensor::f_cat(&losses, 0).map_err(failed)?, found))
}

fn part(head: &Linear, states: &Tensor, targets: &Tensor, slopes: bool) -> Result<(Tensor, Option<Tensor>)> {
    let logits = head.forward(states, None)?;
    let read = || {
        let (logs, targets) = (log_probabilities(&logits)?, targets.f_unsqueeze(1)?);
        let losses = logs.f_gather(1, &targets, false)?.f_neg()?.f_squeeze_dim(1)?;
        let slopes = slopes.then(|| slope(logs, &targets, head.weight())?.f_to_kind(states.f_kind()?)).transpose()?;
        Ok((losses, slopes))
    };
    read().map_err(torch_error("take the likelihood of the labelled tokens"))
}

/// `(p - 1[target]) W` of rows of log-probabilities `[M,V]`, which are used up.
fn slope(mut logs: Tensor, targets: &Tensor, weight: &Tensor) -> std::result::Result<Tensor, TchError> {
    let mut shares = logs.f_exp_()?;
    let less = shares.f_new_full(targets.size(), -1.0, (shares.f_kind()?, shares.device()))?;
    shares.f_scatter_add_(1, targets, &less)?.f_to_kind(weight.f_kind()?)?.f_matmul(weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::language::loss::{npo, sequence_losses, token_losses};
    use tch::{Device, Kind};

    const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

    /// Value and gradient of a loss that is not a sum of those of the tokens.
    fn preference(losses: impl Fn(&Tensor) -> Result<Tensor>, states: &Tensor) -> (f64, Tensor) {
        let leaf = states.detach().set_requires_grad(true);
        let owners = Tensor::from_slice(&[0_i64, 0, 0, 1, 1, 2, 2]);
        let sums = sequence_losses(&losses(&leaf).unwrap(), &owners, 3).unwrap();
        let loss = npo(&sums, &Tensor::from_slice(&[3.0, 1.0, 2.0]), 0.4).unwrap().sum(None::<Kind>);
        let gradient = Tensor::run_backward(&[&loss], &[&leaf], false, false).remove(0);
        (loss.double_value(&[]), gradient)
    }

    #[test]
    fn losses_and_gradients_are_those_of_logits_that_are_kept() {
        tch::manual_seed(7);
        let head = Linear::new("head", Tensor::randn([11, 5], DOUBLE), Some(Tensor::randn([11], DOUBLE)));
        let (states, targets) = (Tensor::randn([7, 5], DOUBLE), Tensor::from_slice(&[0_i64, 10, 3, 3, 7, 1, 2]));
        let kept = |hidden: &Tensor| token_losses(&head.forward(hidden, None)?, &targets);
        let (value, gradient) = preference(kept, &states);
        for most in [1, 3, 7, 100] {
            let (lean_value, lean_gradient) = preference(|hidden| losses(&head, hidden, &targets, most), &states);
            assert!((lean_value - value).abs() < 1e-12, "{most} rows: {lean_value} instead of {value}");
            let gap = (lean_gradient - &gradient).abs().max().double_value(&[]);
            assert!(gap < 1e-12, "{most} rows: gradients are {gap} apart");
        }
    }

    #[test]
    fn nothing_is_recorded_where_nobody_asks_for_gradients() {
        let head = Linear::new("head", Tensor::ones([4, 2], DOUBLE), None);
        let found =
            lean_token_losses(&head, &Tensor::ones([3, 2], DOUBLE), &Tensor::from_slice(&[0_i64, 1, 2])).unwrap();
        assert!(!found.requires_grad() && (found - 4.0_f64.ln()).abs().max().double_value(&[]) < 1e-12);
    }
}
