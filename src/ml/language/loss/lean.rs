//! Likelihoods of tokens whose logits are not kept: rows go through the head for some words of the vocabulary at a time, and each leaves
//! its loss and the gradient of its loss behind. A row's loss depends on its own hidden state alone, so that is all that the way back
//! needs, whatever is made of the losses. Only for a head that is not trained.
//!
//! The sum over the vocabulary is taken as in FlashAttention (Dao et al. 2022, algorithm 1), with the rows of the head as keys and as
//! values: with `m` the largest logit so far, the sums of `exp(l - m)` and of `exp(l - m) W` are scaled down when a larger one comes.
//! Every product then has all rows (SmolLM2's head on 512 tokens, loss and gradient: .32 s instead of .50 s on a Zen 4).

use tch::{Kind, TchError, Tensor};

use crate::domain::Result;
use crate::ml::language::linear::Linear;
use crate::ml::torch::{NoGrad, torch_error};

/// Logits that are made together.
pub const LEAN_LOGITS: i64 = 1 << 21;
/// Rows that are made together at most: more make no better product.
const MOST_ROWS: i64 = 1 << 11;

/// `-log p(target)` of each row: hidden states `[M,D]`, targets `[M]` i64, to `[M]`. Gradients flow to the hidden states.
pub fn lean_token_losses(head: &Linear, hidden: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let rows = (targets.numel() as i64).clamp(1, MOST_ROWS);
    losses(&head.lowered()?, [hidden, targets], [rows, (LEAN_LOGITS / rows).max(1)])
}

/// Of so many rows and words at a time.
fn losses(head: &Linear, [hidden, targets]: [&Tensor; 2], [rows, words]: [i64; 2]) -> Result<Tensor> {
    let failed = torch_error("take the likelihood of the labelled tokens");
    let states = hidden.f_detach().map_err(&failed)?;
    let (losses, slopes) = in_parts(head, [&states, targets], [rows, words], hidden.requires_grad())?;
    // Nothing in value; its gradient for the hidden state of a row is the slope of the row.
    let tie = |slopes: &Tensor| hidden.f_sub(&states)?.f_mul(slopes)?.f_sum_dim_intlist(-1_i64, false, None);
    match slopes {
        Some(slopes) => tie(&slopes).and_then(|tie| losses.f_add(&tie)).map_err(failed),
        None => Ok(losses),
    }
}

/// Losses `[M]` and, where asked for, their gradients `[M,D]`.
fn in_parts(
    head: &Linear,
    [states, targets]: [&Tensor; 2],
    [rows, words]: [i64; 2],
    slopes: bool,
) -> Result<(Tensor, Option<Tensor>)> {
    let failed = torch_error("take the likelihood of the labelled tokens");
    let _guard = NoGrad::enter();
    let [states, targets] = [states, targets].map(|all| all.f_split(rows, 0).map_err(&failed));
    let parts = states?.into_iter().zip(targets?);
    let parts: Vec<_> =
        parts.map(|(states, targets)| part(head, &states, &targets, words, slopes)).collect::<Result<_>>()?;
    let (losses, found): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let found: Vec<Tensor> = found.into_iter().flatten().collect();
    let found = slopes.then(|| Tensor::f_cat(&found, 0)).transpose().map_err(&failed)?;
    Ok((Tensor::f_cat(&losses, 0).map_err(failed)?, found))
}

fn part(
    head: &Linear,
    states: &Tensor,
    targets: &Tensor,
    words: i64,
    slopes: bool,
) -> Result<(Tensor, Option<Tensor>)> {
    let failed = torch_error("take the likelihood of the labelled tokens");
    let own = head.rows_at(targets).map_err(&failed)?;
    let mut seen = Seen::nothing(states, slopes).map_err(&failed)?;
    for some in head.split(words).map_err(&failed)? {
        let logits = some.forward(states, None)?;
        seen.add(logits, some.weight()).map_err(&failed)?;
    }
    seen.against(states, &own).map_err(failed)
}

/// What is known of rows after some words of the vocabulary.
struct Seen {
    /// The largest logit `[M,1]`.
    top: Tensor,
    /// Of `exp(logit - top)` `[M,1]`.
    sum: Tensor,
    /// Of `exp(logit - top) W` `[M,D]`.
    drawn: Option<Tensor>,
}

type Torch<T> = std::result::Result<T, TchError>;

impl Seen {
    fn nothing(states: &Tensor, slopes: bool) -> Torch<Self> {
        let (rows, width) = states.size2()?;
        let place = (wide(states.f_kind()?), states.device());
        Ok(Self {
            top: Tensor::f_full([rows, 1], f64::NEG_INFINITY, place)?,
            sum: Tensor::f_zeros([rows, 1], place)?,
            drawn: slopes.then(|| Tensor::f_zeros([rows, width], place)).transpose()?,
        })
    }

    /// Logits `[M,W]` of further words, which are used up, and their rows of the head `[W,D]`.
    fn add(&mut self, logits: Tensor, weight: &Tensor) -> Torch<()> {
        let mut logits = logits.f_to_kind(self.sum.f_kind()?)?;
        let top = self.top.f_maximum(&logits.f_amax([1], true)?)?;
        let fade = self.top.f_sub(&top)?.f_exp_()?;
        let shares = logits.f_sub_(&top)?.f_exp_()?;
        self.sum = self.sum.f_mul(&fade)?.f_add(&shares.f_sum_dim_intlist(1_i64, true, None)?)?;
        if let Some(drawn) = &mut self.drawn {
            let more = shares.f_to_kind(weight.f_kind()?)?.f_matmul(weight)?;
            *drawn = drawn.f_mul_(&fade)?.f_add_(&more)?;
        }
        self.top = top;
        Ok(())
    }

    /// Losses of the words whose rows of the head are `own`, and their gradients, in the precision of the states.
    fn against(self, states: &Tensor, own: &Linear) -> Torch<(Tensor, Option<Tensor>)> {
        let kind = self.sum.f_kind()?;
        let weight = own.weight().f_to_kind(kind)?;
        let mut logits = states.f_to_kind(kind)?.f_mul(&weight)?.f_sum_dim_intlist(1_i64, false, None)?;
        if let Some(bias) = own.bias() {
            logits = logits.f_add(&bias.f_to_kind(kind)?)?;
        }
        let losses = self.sum.f_log()?.f_add(&self.top)?.f_squeeze_dim(1)?.f_sub(&logits)?;
        let slope = |drawn: Tensor| drawn.f_div(&self.sum)?.f_sub(&weight)?.f_to_kind(states.f_kind()?);
        Ok((losses, self.drawn.map(slope).transpose()?))
    }
}

/// Sums are taken in f32 at least.
fn wide(kind: Kind) -> Kind {
    if kind == Kind::Double { Kind::Double } else { Kind::Float }
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
        for most in [[1, 1], [3, 4], [7, 3], [100, 100]] {
            let (lean_value, lean_gradient) = preference(|hidden| losses(&head, [hidden, &targets], most), &states);
            assert!((lean_value - value).abs() < 1e-12, "{most:?}: {lean_value} instead of {value}");
            let gap = (lean_gradient - &gradient).abs().max().double_value(&[]);
            assert!(gap < 1e-12, "{most:?}: gradients are {gap} apart");
        }
    }

    #[test]
    fn logits_may_be_far_from_zero_and_come_in_any_order() {
        for order in [[-700.0, 0.0, 900.0], [900.0, -700.0, 0.0], [0.0, 900.0, -1e5]] {
            let head = Linear::new("head", Tensor::from_slice(&order).view([3, 1]), None);
            let states = Tensor::ones([1, 1], DOUBLE).set_requires_grad(true);
            let targets = Tensor::from_slice(&[0_i64]);
            let found = losses(&head, [&states, &targets], [1, 1]).unwrap();
            assert!((found.double_value(&[0]) - (900.0 - order[0])).abs() < 1e-9, "{order:?}: {found:?}");
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
