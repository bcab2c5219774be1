//! A network bound to its tensors: the forward pass.

use std::collections::BTreeMap;

use tch::{TchError, Tensor};

use super::layer::{Layer, Node, Shortcut, Window, join};
use super::{BnMode, batch_norm::BatchNorm};

type Result<T> = std::result::Result<T, TchError>;

/// Tensors by name.
pub(super) type State = BTreeMap<String, Tensor>;

/// A layer with its tensors, which it shares with the `State` it was bound to.
#[derive(Debug)]
pub(super) enum Module {
    Convolution(Convolution),
    BatchNorm(BatchNorm),
    Relu,
    MaxPool(Window),
    GlobalAvgPool,
    Residual { body: Vec<Module>, shortcut: BoundShortcut },
}

#[derive(Debug)]
pub(super) struct Convolution {
    pub weight: Tensor,
    pub window: Window,
}

#[derive(Debug)]
pub(super) enum BoundShortcut {
    Identity,
    PadStride { padding: i64 },
    Projection(Vec<Module>),
}

/// The classifier's last layer.
#[derive(Debug)]
pub(super) struct Linear {
    pub weight: Tensor,
    pub bias: Tensor,
}

/// Binds layers to the tensors of `state`, which must have all that the declarations name.
pub(super) fn bind(nodes: &[Node], prefix: &str, state: &State) -> Vec<Module> {
    let bind_node = |node: &Node| {
        let name = join(prefix, &node.name);
        match &node.layer {
            Layer::Conv2d(conv) => {
                Module::Convolution(Convolution { weight: tensor(state, &name, "weight"), window: conv.window })
            }
            Layer::BatchNorm { .. } => Module::BatchNorm(BatchNorm {
                weight: tensor(state, &name, "weight"),
                bias: tensor(state, &name, "bias"),
                mean: tensor(state, &name, "running_mean"),
                variance: tensor(state, &name, "running_var"),
                count: tensor(state, &name, "num_batches_tracked"),
            }),
            Layer::Relu => Module::Relu,
            Layer::MaxPool(window) => Module::MaxPool(*window),
            Layer::GlobalAvgPool => Module::GlobalAvgPool,
            Layer::Residual { body, shortcut } => Module::Residual {
                body: bind(body, &name, state),
                shortcut: match shortcut {
                    Shortcut::Identity => BoundShortcut::Identity,
                    Shortcut::PadStride { padding } => BoundShortcut::PadStride { padding: *padding },
                    Shortcut::Projection(nodes) => BoundShortcut::Projection(bind(nodes, &name, state)),
                },
            },
        }
    };
    nodes.iter().map(bind_node).collect()
}

pub(super) fn bind_head(name: &str, state: &State) -> Linear {
    Linear { weight: tensor(state, name, "weight"), bias: tensor(state, name, "bias") }
}

fn tensor(state: &State, prefix: &str, field: &str) -> Tensor {
    state.get(&join(prefix, field)).expect("the state has every declared tensor").shallow_clone()
}

/// Runs the layers one after the other.
pub(super) fn run(modules: &[Module], input: &Tensor, bn: BnMode) -> Result<Tensor> {
    let mut value = input.shallow_clone();
    for module in modules {
        value = module.forward(value, bn)?;
    }
    Ok(value)
}

impl Module {
    /// Takes the input by value: rectifiers work in place, on outputs of convolutions and BatchNorms only, whose backward
    /// passes do not need them.
    pub(super) fn forward(&self, mut input: Tensor, bn: BnMode) -> Result<Tensor> {
        match self {
            Self::Convolution(convolution) => convolution.forward(&input),
            Self::BatchNorm(batch_norm) => batch_norm.forward(&input, bn),
            Self::Relu => input.f_relu_(),
            Self::MaxPool(window) => max_pool(&input, *window),
            Self::GlobalAvgPool => global_mean(&input),
            Self::Residual { body, shortcut } => {
                let mut sum = run(body, &input, bn)?;
                sum.f_add_(&shortcut.forward(&input, bn)?)?.f_relu_()
            }
        }
    }
}

impl Convolution {
    fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let Window { stride, padding, .. } = self.window;
        input.f_conv2d(&self.weight, None::<&Tensor>, [stride; 2], [padding; 2], [1, 1], 1)
    }
}

impl BoundShortcut {
    fn forward(&self, input: &Tensor, bn: BnMode) -> Result<Tensor> {
        match self {
            Self::Identity => Ok(input.shallow_clone()),
            Self::PadStride { padding } => pad_and_stride(input, *padding),
            Self::Projection(modules) => run(modules, input, bn),
        }
    }
}

pub(super) fn max_pool(input: &Tensor, window: Window) -> Result<Tensor> {
    let Window { size, stride, padding } = window;
    input.f_max_pool2d([size; 2], [stride; 2], [padding; 2], [1, 1], false)
}

/// Mean over all pixels: `[N,C,H,W]` to `[N,C]`.
pub(super) fn global_mean(input: &Tensor) -> Result<Tensor> {
    input.f_mean_dim([2_i64, 3].as_slice(), false, None)
}

/// Every second pixel, with `padding` channels of zeros before and after.
pub(super) fn pad_and_stride(input: &Tensor, padding: i64) -> Result<Tensor> {
    let every_second = input.f_slice(2, None, None, 2)?.f_slice(3, None, None, 2)?;
    every_second.f_constant_pad_nd([0, 0, 0, 0, padding, padding])
}

impl Linear {
    /// Features `[N,D]` to logits `[N,K]`.
    pub(super) fn forward(&self, features: &Tensor) -> Result<Tensor> {
        features.f_linear(&self.weight, Some(&self.bias))
    }
}
