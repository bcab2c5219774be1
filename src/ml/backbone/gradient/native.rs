//! A built-in architecture: folded layers, and a backward pass that leaves out all that only weights would need.

use tch::{Kind, TchError, Tensor};

use super::convolution::{Activation, FrozenConvolution};
use super::network::{self, Layer, Shortcut, Trace};
use super::workspace::Workspace;
use super::{Explained, Gradients, SeedOf};
use crate::domain::Result;
use crate::ml::backbone::batch_norm::BatchNorm;
use crate::ml::backbone::bounded::Bounded;
use crate::ml::backbone::folded::fold_weights;
use crate::ml::backbone::module::{BoundShortcut, Convolution, Linear, Module};
use crate::ml::torch::{NoGrad, channels_last, deep_copy, torch_error};

type Torch<T> = std::result::Result<T, TchError>;

/// Copies the layers; nothing is shared with the originals.
pub(in crate::ml::backbone) fn native(trunk: &[Module], head: &Linear, kind: Kind) -> Result<Box<dyn Gradients>> {
    let build = || {
        let [Module::Convolution(convolution), Module::BatchNorm(batch_norm), Module::Relu, rest @ ..] = trunk else {
            return Err(unfoldable());
        };
        let first = fold_convolution(convolution, batch_norm, false, kind)?;
        let head = Linear { weight: deep_copy(&head.weight)?, bias: deep_copy(&head.bias)? };
        Ok(NativeGradients { first, layers: fold(rest, kind)?, head, kind, workspace: Workspace::new() })
    };
    Ok(Box::new(build().map_err(torch_error("prepare the model for gradients"))?))
}

/// The layers up to the global mean.
fn fold(mut modules: &[Module], kind: Kind) -> Torch<Vec<Layer>> {
    let mut layers = Vec::new();
    loop {
        let (layer, rest) = match modules {
            [] | [Module::GlobalAvgPool] => return Ok(layers),
            [Module::Convolution(convolution), Module::BatchNorm(batch_norm), rest @ ..] => {
                let (rectified, rest) = match rest {
                    [Module::Relu, rest @ ..] => (true, rest),
                    rest => (false, rest),
                };
                (Layer::Convolution(fold_convolution(convolution, batch_norm, rectified, kind)?), rest)
            }
            [Module::Residual { body, shortcut }, rest @ ..] => (fold_residual(body, shortcut, kind)?, rest),
            [Module::MaxPool(window), rest @ ..] => (Layer::MaxPool(*window), rest),
            [Module::Convolution(_) | Module::BatchNorm(_) | Module::Relu | Module::GlobalAvgPool, ..] => {
                return Err(unfoldable());
            }
        };
        layers.push(layer);
        modules = rest;
    }
}

fn fold_convolution(
    convolution: &Convolution,
    batch_norm: &BatchNorm,
    rectified: bool,
    kind: Kind,
) -> Torch<FrozenConvolution> {
    let (weight, bias) = fold_weights(&convolution.weight, batch_norm)?;
    FrozenConvolution::new(&weight, &bias, convolution.window, rectified, kind)
}

fn fold_residual(body: &[Module], shortcut: &BoundShortcut, kind: Kind) -> Torch<Layer> {
    let [body @ .., Module::Convolution(convolution), Module::BatchNorm(batch_norm)] = body else {
        return Err(unfoldable());
    };
    let last = fold_convolution(convolution, batch_norm, true, kind)?;
    let shortcut = match shortcut {
        BoundShortcut::Identity => Shortcut::Identity,
        BoundShortcut::PadStride { padding } => Shortcut::PadStride { padding: *padding },
        BoundShortcut::Projection(modules) => match modules.as_slice() {
            [Module::Convolution(convolution), Module::BatchNorm(batch_norm)] => {
                Shortcut::Projection(fold_convolution(convolution, batch_norm, false, kind)?)
            }
            _ => return Err(unfoldable()),
        },
    };
    Ok(Layer::Residual { body: fold(body, kind)?, last, shortcut })
}

fn unfoldable() -> TchError {
    TchError::Convert("this row of layers has no backward pass".to_owned())
}

#[derive(Debug)]
struct NativeGradients {
    /// Without its rectifier.
    first: FrozenConvolution,
    layers: Vec<Layer>,
    head: Linear,
    kind: Kind,
    workspace: Workspace,
}

impl NativeGradients {
    /// Lifted images to the input of the global mean. Its memory is the workspace's.
    fn trunk(&self, mut lifted: Tensor, trace: &mut Trace) -> Torch<Activation> {
        self.workspace.begin();
        let input = Activation::new(Bounded::measured(lifted.f_relu_()?)?, true);
        network::forward(&self.layers, input, trace, &self.workspace)
    }

    fn run(&self, lifted: Tensor, seed: SeedOf<'_>) -> Result<Explained> {
        let failed = torch_error("run the model");
        let mut trace = Trace::default();
        let map = self.trunk(lifted, &mut trace).map_err(&failed)?;
        let logits = features(&map.value).and_then(|features| self.head.forward(&features)).map_err(&failed)?;
        let seed = seed(&logits)?;
        let mut backward = || {
            let gradient = seed.derivative.f_matmul(&self.head.weight)?;
            let gradient = map.mask(spread_evenly(&gradient, &map.value)?)?;
            network::backward(&self.layers, channels_last(&gradient)?, None, &mut trace)
        };
        let gradients = backward().map_err(torch_error("differentiate the model"))?;
        Ok(Explained { outputs: seed.outputs, gradients })
    }
}

/// Mean over the pixels, f32 `[N,D]`.
fn features(map: &Tensor) -> Torch<Tensor> {
    map.f_mean_dim([2_i64, 3].as_slice(), false, Kind::Float)
}

/// The gradient by the map of features whose mean has this gradient.
fn spread_evenly(gradient: &Tensor, map: &Tensor) -> Torch<Tensor> {
    let (_, _, height, width) = map.size4()?;
    let share = gradient.f_div_scalar(height * width)?.f_to_kind(map.kind())?;
    share.f_unsqueeze(2)?.f_unsqueeze(3)?.f_expand_as(map)
}

impl Gradients for NativeGradients {
    fn lift(&self, images: &Tensor) -> Result<Tensor> {
        let lift = || {
            let images = channels_last(&images.f_to_kind(self.kind)?)?;
            // Without a rectifier nothing is fused, so no bound is needed.
            let images = Bounded { value: images, bound: 0.0 };
            Ok(self.first.forward(&images, None, &self.workspace)?.value)
        };
        lift().map_err(torch_error("run the model's first layer"))
    }

    fn lower(&self, gradients: &Tensor, image_size: [i64; 2]) -> Result<Tensor> {
        let lower = || {
            let gradients = channels_last(&gradients.f_to_kind(self.kind)?)?;
            self.first.transpose(&gradients, image_size)?.f_to_kind(Kind::Float)
        };
        lower().map_err(torch_error("differentiate the model's first layer"))
    }

    fn logits(&self, lifted: Tensor) -> Result<Tensor> {
        let run = || {
            let map = self.trunk(lifted, &mut Trace::default())?;
            self.head.forward(&features(&map.value)?)
        };
        run().map_err(torch_error("run the model"))
    }

    fn explain(&self, lifted: Tensor, seed: SeedOf<'_>) -> Result<Explained> {
        let _guard = NoGrad::enter();
        self.run(lifted, seed)
    }

    fn feature_map(&self, images: &Tensor) -> Result<Option<Tensor>> {
        let lifted = self.lift(images)?;
        let copy = || deep_copy(&self.trunk(lifted, &mut Trace::default())?.value)?.f_to_kind(Kind::Float);
        Ok(Some(copy().map_err(torch_error("run the model"))?))
    }
}
