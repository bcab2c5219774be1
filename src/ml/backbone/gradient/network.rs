//! The layers below the global mean, forwards with a trace and backwards along it.

use tch::{TchError, Tensor};

use super::convolution::{Activation, FrozenConvolution};
use super::workspace::Workspace;
use crate::ml::backbone::bounded::Bounded;
use crate::ml::backbone::layer::Window;
use crate::ml::backbone::module::pad_and_stride;
use crate::ml::torch::channels_last;

type Result<T> = std::result::Result<T, TchError>;

#[derive(Debug)]
pub(super) enum Layer {
    Convolution(FrozenConvolution),
    MaxPool(Window),
    /// `relu(last(body(x)) + shortcut(x))`.
    Residual {
        body: Vec<Layer>,
        last: FrozenConvolution,
        shortcut: Shortcut,
    },
}

#[derive(Debug)]
pub(super) enum Shortcut {
    Identity,
    PadStride { padding: i64 },
    Projection(FrozenConvolution),
}

/// What the backward pass needs, in the order in which the forward pass came by.
#[derive(Debug, Default)]
pub(super) struct Trace(Vec<Saved>);

#[derive(Debug)]
enum Saved {
    /// The input of a convolution.
    Input(Activation),
    /// The input of a pool, and where its maxima are.
    Pool(Activation, Tensor),
    /// The input of a block's last convolution, and height and width of the block's own.
    Block(Activation, [i64; 2]),
}

impl Trace {
    fn pop(&mut self) -> Result<Saved> {
        self.0.pop().ok_or_else(other_way)
    }
}

fn other_way() -> TchError {
    TchError::Convert("the backward pass goes another way than the forward pass".into())
}

pub(super) fn forward(
    layers: &[Layer],
    mut input: Activation,
    trace: &mut Trace,
    workspace: &Workspace,
) -> Result<Activation> {
    for layer in layers {
        input = match layer {
            Layer::Convolution(convolution) => {
                let output = convolution.forward(&input.bounded(), None, workspace)?;
                trace.0.push(Saved::Input(input));
                Activation::new(output, convolution.is_rectified())
            }
            Layer::MaxPool(Window { size, stride, padding }) => {
                let (value, indices) =
                    input.value.f_max_pool2d_with_indices([*size; 2], [*stride; 2], [*padding; 2], [1, 1], false)?;
                let output = Bounded { value: channels_last(&value)?, bound: input.bound };
                trace.0.push(Saved::Pool(input, indices));
                Activation::new(output, false)
            }
            Layer::Residual { body, last, shortcut } => residual(body, last, shortcut, input, trace, workspace)?,
        };
    }
    Ok(input)
}

fn residual(
    body: &[Layer],
    last: &FrozenConvolution,
    shortcut: &Shortcut,
    input: Activation,
    trace: &mut Trace,
    workspace: &Workspace,
) -> Result<Activation> {
    let own = input.bounded();
    let shortcut = match shortcut {
        Shortcut::Identity => own,
        Shortcut::PadStride { padding } => own.with(channels_last(&pad_and_stride(&own.value, *padding)?)?),
        Shortcut::Projection(convolution) => convolution.forward(&own, None, workspace)?,
    };
    let (_, _, height, width) = input.value.size4()?;
    let inner = forward(body, input, trace, workspace)?;
    let output = last.forward(&inner.bounded(), Some(&shortcut), workspace)?;
    trace.0.push(Saved::Block(inner, [height, width]));
    Ok(Activation::new(output, true))
}

/// From the gradient by the output, before its rectifier, to the gradient by the input, before its own. `addend` is the gradient
/// that reaches the input by another way.
pub(super) fn backward(
    layers: &[Layer],
    mut gradient: Tensor,
    mut addend: Option<Tensor>,
    trace: &mut Trace,
) -> Result<Tensor> {
    for (position, layer) in layers.iter().enumerate().rev() {
        let addend = if position == 0 { addend.take() } else { None };
        gradient = match (layer, trace.pop()?) {
            (Layer::Convolution(convolution), Saved::Input(input)) => {
                convolution.backward(&gradient, input, addend.as_ref())?
            }
            (Layer::MaxPool(window), Saved::Pool(input, indices)) => {
                pool_backward(*window, &gradient, &input, &indices)?
            }
            (Layer::Residual { body, last, shortcut }, Saved::Block(inner, size)) => {
                let around = shortcut.backward(&gradient, size)?;
                backward(body, last.backward(&gradient, inner, None)?, Some(around), trace)?
            }
            (Layer::Convolution(_) | Layer::MaxPool(_) | Layer::Residual { .. }, _) => return Err(other_way()),
        };
    }
    Ok(gradient)
}

fn pool_backward(window: Window, gradient: &Tensor, input: &Activation, indices: &Tensor) -> Result<Tensor> {
    let [size, stride, padding] = [window.size, window.stride, window.padding].map(|value| [value; 2]);
    let value = &input.value;
    let gradient = value.f_max_pool2d_with_indices_backward(gradient, size, stride, padding, [1, 1], false, indices)?;
    input.mask(channels_last(&gradient)?)
}

impl Shortcut {
    /// The gradient by the block's input.
    fn backward(&self, gradient: &Tensor, size: [i64; 2]) -> Result<Tensor> {
        match self {
            Self::Identity => Ok(gradient.shallow_clone()),
            Self::PadStride { padding } => spread(gradient, *padding, size),
            Self::Projection(convolution) => convolution.transpose(gradient, size),
        }
    }
}

/// The transpose of `pad_and_stride`: the middle channels on every second pixel of zeros.
fn spread(gradient: &Tensor, padding: i64, [height, width]: [i64; 2]) -> Result<Tensor> {
    let (count, channels, _, _) = gradient.size4()?;
    let channels = channels - 2 * padding;
    let options = (gradient.kind(), gradient.device());
    let images = Tensor::f_zeros([count, height, width, channels], options)?.f_permute([0, 3, 1, 2])?;
    let mut every_second = images.f_slice(2, None, None, 2)?.f_slice(3, None, None, 2)?;
    every_second.f_copy_(&gradient.f_narrow(1, padding, channels)?)?;
    Ok(images)
}
