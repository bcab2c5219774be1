//! A convolution with its BatchNorm folded in, forwards and backwards to its input. On a CPU with AVX2 3x3 convolutions go
//! through the kernel of `winograd.cpp` (integrated gradients of ResNet-20 take about two thirds of the processor time they take
//! with oneDNN's direct convolutions); elsewhere through libtorch, backwards (where the stride is 1) as a convolution with the
//! filters turned around, which fuses with the sum of the two branches of a residual block.

use tch::{Device, Kind, TchError, Tensor};

use super::workspace::Workspace;
use crate::ml::backbone::bounded::{Bounded, Gain, convolution};
use crate::ml::backbone::layer::Window;
use crate::ml::shim::{self, Epilogue};
use crate::ml::torch::channels_last;

type Result<T> = std::result::Result<T, TchError>;

/// A layer's input, kept for the backward pass.
#[derive(Debug)]
pub(super) struct Activation {
    pub value: Tensor,
    /// What no magnitude in it exceeds.
    pub bound: f64,
    /// It came out of a rectifier, so gradients end where it is zero.
    pub rectified: bool,
}

impl Activation {
    pub(super) fn new(Bounded { value, bound }: Bounded, rectified: bool) -> Self {
        Self { value, bound, rectified }
    }

    pub(super) fn bounded(&self) -> Bounded {
        Bounded { value: self.value.shallow_clone(), bound: self.bound }
    }

    /// The gradient before the rectifier.
    pub(super) fn mask(&self, gradient: Tensor) -> Result<Tensor> {
        if self.rectified { self.value.f_threshold_backward(&gradient, 0.0) } else { Ok(gradient) }
    }
}

#[derive(Debug)]
pub(super) struct FrozenConvolution {
    weight: Tensor,
    bias: Tensor,
    gain: Gain,
    window: Window,
    rectified: bool,
    /// `weight` turned around, outputs and inputs exchanged; where the stride is 1.
    turned: Option<Tensor>,
    packed: Option<Packed>,
}

/// `weight` and `turned` as the Winograd kernel takes them.
#[derive(Debug)]
struct Packed {
    forwards: Tensor,
    backwards: Tensor,
}

impl FrozenConvolution {
    /// From folded f32 weights; computes in `kind`.
    pub(super) fn new(weight: &Tensor, bias: &Tensor, window: Window, rectified: bool, kind: Kind) -> Result<Self> {
        let same_size = window.stride == 1 && window.size == 2 * window.padding + 1;
        let turned = weight.f_flip([2, 3])?.f_transpose(0, 1)?;
        let packed = match same_size && kind == Kind::Float && fits_winograd(weight) {
            true => Some(Packed { forwards: shim::pack_winograd(weight)?, backwards: shim::pack_winograd(&turned)? }),
            false => None,
        };
        let converted = |tensor: &Tensor| channels_last(&tensor.f_to_kind(kind)?);
        let turned = (same_size && packed.is_none()).then(|| converted(&turned)).transpose()?;
        let (weight, bias) = (converted(weight)?, bias.f_to_kind(kind)?);
        Ok(Self { gain: Gain::of(&weight, Some(&bias))?, weight, bias, window, rectified, turned, packed })
    }

    pub(super) fn is_rectified(&self) -> bool {
        self.rectified
    }

    /// Convolution and bias, plus `addend`, rectified if so made.
    pub(super) fn forward(&self, input: &Bounded, addend: Option<&Bounded>, workspace: &Workspace) -> Result<Bounded> {
        let Some(packed) = &self.packed else {
            let layer = (&self.weight, Some(&self.bias), self.gain);
            let addend =
                addend.map(|addend| Ok::<_, TchError>(addend.with(addend.value.f_detach_copy()?))).transpose()?;
            let output = convolution(input, layer, self.window, addend, self.rectified)?;
            return Ok(output.with(channels_last(&output.value)?));
        };
        let bound = self.gain.reach(input, addend)?;
        let (input, addend) = (&input.value, addend.map(|addend| &addend.value));
        let (count, _, height, width) = input.size4()?;
        let output = workspace.images([count, self.bias.size1()?, height, width], input.device())?;
        let after = Epilogue { bias: Some(&self.bias), addend, mask: None, rectify: self.rectified };
        shim::winograd(input, &packed.forwards, after, &output)?;
        Ok(Bounded { value: output, bound })
    }

    /// From the gradient by the output (before the rectifier) to the gradient by the input, plus `addend`, before the input's
    /// own rectifier. The input's memory may be reused.
    pub(super) fn backward(&self, gradient: &Tensor, input: Activation, addend: Option<&Tensor>) -> Result<Tensor> {
        if let Some(packed) = &self.packed {
            let after = Epilogue { addend, mask: input.rectified.then_some(&input.value), ..Epilogue::default() };
            shim::winograd(gradient, &packed.backwards, after, &input.value)?;
            return Ok(input.value);
        }
        let gradient = match &self.turned {
            Some(turned) => {
                let padding = self.window.padding;
                channels_last(&shim::convolution(gradient, turned, None, 1, padding, own(addend)?, false)?)?
            }
            None => {
                let (_, _, height, width) = input.value.size4()?;
                let mut sum = self.transpose(gradient, [height, width])?;
                addend.map_or(Ok(sum.shallow_clone()), |addend| sum.f_add_(addend))?
            }
        };
        input.mask(gradient)
    }

    /// The transposed convolution, to images of `size`.
    pub(super) fn transpose(&self, gradient: &Tensor, size: [i64; 2]) -> Result<Tensor> {
        let Window { size: window, stride, padding } = self.window;
        let (_, _, height, width) = gradient.size4()?;
        let left = |whole: i64, small: i64| whole - ((small - 1) * stride - 2 * padding + window);
        let output_padding = [left(size[0], height), left(size[1], width)];
        let transposed = gradient.f_conv_transpose2d(
            &self.weight,
            None::<&Tensor>,
            [stride; 2],
            [padding; 2],
            output_padding,
            1,
            [1, 1],
        )?;
        channels_last(&transposed)
    }
}

/// A copy to give up: the operation may write over it, and the trace still needs the original.
fn own(addend: Option<&Tensor>) -> Result<Option<Tensor>> {
    addend.map(Tensor::f_detach_copy).transpose()
}

fn fits_winograd(weight: &Tensor) -> bool {
    let size = weight.size();
    weight.device() == Device::Cpu
        && size[2..] == [3, 3]
        && size[..2].iter().all(|channels| channels % 16 == 0)
        && shim::winograd_supported()
}
