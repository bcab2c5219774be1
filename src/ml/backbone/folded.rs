//! The inference pass: BatchNorm folded into the convolution before it, `w' = w g` and `b' = beta - mean g` with
//! `g = gamma / sqrt(variance + epsilon)`, and the convolution, the sum with the shortcut and the rectifier as one
//! operation. The sum is written over the shortcut, so that no tensor is made for it. `bounded` sees to it that NaN is not lost on the way.

use tch::{Kind, TchError, Tensor};

use super::batch_norm::{BatchNorm, EPSILON};
use super::bounded::{Bounded, Gain, convolution};
use super::layer::Window;
use super::module::{BoundShortcut, Module, global_mean, max_pool, pad_and_stride};
use crate::ml::torch::{channels_last, deep_copy};

type Result<T> = std::result::Result<T, TchError>;

#[derive(Debug)]
pub(super) enum Folded {
    Convolution(FoldedConvolution),
    Residual { body: Vec<Folded>, last: FoldedConvolution, shortcut: FoldedShortcut },
    MaxPool(Window),
    GlobalAvgPool,
}

#[derive(Debug)]
pub(super) struct FoldedConvolution {
    weight: Tensor,
    bias: Option<Tensor>,
    gain: Gain,
    window: Window,
    rectified: bool,
}

#[derive(Debug)]
pub(super) enum FoldedShortcut {
    Identity,
    PadStride { padding: i64 },
    Projection(Vec<Folded>),
}

/// Copies of the layers for inference in `kind`; nothing is shared with the originals.
pub(super) fn fold(mut modules: &[Module], kind: Kind) -> Result<Vec<Folded>> {
    let mut folded = Vec::with_capacity(modules.len());
    loop {
        let (layer, rest) = match modules {
            [] => return Ok(folded),
            [Module::Convolution(convolution), Module::BatchNorm(batch_norm), rest @ ..] => {
                let (weight, bias) = fold_weights(&convolution.weight, batch_norm)?;
                let (rectified, rest) = match rest {
                    [Module::Relu, rest @ ..] => (true, rest),
                    rest => (false, rest),
                };
                let (weight, bias) = (weight.f_to_kind(kind)?, bias.f_to_kind(kind)?);
                let folded = FoldedConvolution::new(&weight, Some(bias), convolution.window, rectified)?;
                (Folded::Convolution(folded), rest)
            }
            [Module::Residual { body, shortcut }, rest @ ..] => (fold_residual(body, shortcut, kind)?, rest),
            [Module::MaxPool(window), rest @ ..] => (Folded::MaxPool(*window), rest),
            [Module::GlobalAvgPool, rest @ ..] => (Folded::GlobalAvgPool, rest),
            [Module::Convolution(_) | Module::BatchNorm(_) | Module::Relu, ..] => {
                return Err(TchError::Convert(
                    "only convolution, BatchNorm and rectifier in this order fold".to_owned(),
                ));
            }
        };
        folded.push(layer);
        modules = rest;
    }
}

/// Weights and bias with the BatchNorm folded in.
pub(super) fn fold_weights(weight: &Tensor, batch_norm: &BatchNorm) -> Result<(Tensor, Tensor)> {
    let deviation = batch_norm.variance.f_add_scalar(EPSILON)?.f_sqrt()?;
    let gain = batch_norm.weight.f_detach()?.f_div(&deviation)?;
    let bias = batch_norm.bias.f_detach()?.f_sub(&batch_norm.mean.f_mul(&gain)?)?;
    Ok((weight.f_detach()?.f_mul(&gain.f_view([-1, 1, 1, 1])?)?, bias))
}

fn fold_residual(body: &[Module], shortcut: &BoundShortcut, kind: Kind) -> Result<Folded> {
    let mut body = fold(body, kind)?;
    let Some(Folded::Convolution(mut last)) = body.pop() else {
        return Err(TchError::Convert("a residual body must end with a convolution and its BatchNorm".to_owned()));
    };
    last.rectified = true;
    let shortcut = match shortcut {
        BoundShortcut::Identity => FoldedShortcut::Identity,
        BoundShortcut::PadStride { padding } => FoldedShortcut::PadStride { padding: *padding },
        BoundShortcut::Projection(modules) => FoldedShortcut::Projection(fold(modules, kind)?),
    };
    Ok(Folded::Residual { body, last, shortcut })
}

/// Runs the layers one after the other; `input` is left as it is.
pub(super) fn run(layers: &[Folded], input: &Tensor) -> Result<Tensor> {
    Ok(pass(layers, Bounded::measured(input.shallow_clone())?)?.value)
}

fn pass(layers: &[Folded], mut value: Bounded) -> Result<Bounded> {
    for (position, layer) in layers.iter().enumerate() {
        value = match layer {
            Folded::Convolution(convolution) => convolution.forward(&value, None)?,
            Folded::Residual { body, last, shortcut } => {
                // The first layer's input belongs to the caller; every later one is read here for the last time, by the body.
                let own = position > 0 && !body.is_empty();
                let shortcut = shortcut.forward(&value, own)?;
                last.forward(&pass(body, value)?, Some(shortcut))?
            }
            Folded::MaxPool(window) => value.with(max_pool(&value.value, *window)?),
            Folded::GlobalAvgPool => value.with(global_mean(&value.value)?),
        };
    }
    Ok(value)
}

impl FoldedConvolution {
    fn new(weight: &Tensor, bias: Option<Tensor>, window: Window, rectified: bool) -> Result<Self> {
        let weight = channels_last(weight)?;
        Ok(Self { gain: Gain::of(&weight, bias.as_ref())?, weight, bias, window, rectified })
    }

    /// Convolution and bias, plus `addend`, which it may write over, rectified if so made.
    fn forward(&self, input: &Bounded, addend: Option<Bounded>) -> Result<Bounded> {
        let layer = (&self.weight, self.bias.as_ref(), self.gain);
        convolution(input, layer, self.window, addend, self.rectified)
    }
}

impl FoldedShortcut {
    /// A channels_last tensor that may be written over; `own` says that this holds for `input`.
    fn forward(&self, input: &Bounded, own: bool) -> Result<Bounded> {
        let value = &input.value;
        Ok(match self {
            Self::Identity if own => input.with(channels_last(value)?),
            Self::Identity => input.with(deep_copy(&channels_last(value)?)?),
            Self::PadStride { padding } => input.with(channels_last(&pad_and_stride(value, *padding)?)?),
            Self::Projection(layers) => {
                let projected = pass(layers, input.shallow_clone())?;
                projected.with(channels_last(&projected.value)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// A residual layer whose body is the identity.
    fn doubling() -> Folded {
        let weight = Tensor::eye(4, (Kind::Float, Device::Cpu)).view([4, 4, 1, 1]);
        let window = Window { size: 1, stride: 1, padding: 0 };
        let last = FoldedConvolution::new(&weight, None, window, true).unwrap();
        Folded::Residual { body: Vec::new(), last, shortcut: FoldedShortcut::Identity }
    }

    #[test]
    fn sums_are_not_written_over_the_callers_images() {
        let images = channels_last(&Tensor::rand([2, 4, 5, 5], (Kind::Float, Device::Cpu))).unwrap();
        let before = deep_copy(&images).unwrap();
        let _guard = crate::ml::torch::NoGrad::enter();
        let output = run(&[doubling(), doubling()], &images).unwrap();
        assert!(images.equal(&before));
        assert!(output.allclose(&(before * 4.0), 1e-6, 1e-6, false));
    }
}
