//! How large activations can be, so that nothing hides what is not a number.
//!
//! oneDNN's rectifier, where it is fused with a convolution, makes 0 of NaN: a model whose sums overflow would answer with ordinary
//! numbers. Of finite weights and images NaN can only come where a sum leaves f32, so a bound goes along with the activations: the
//! largest row of absolute weights times the bound of the inputs. Within `LIMIT` the rectifier is fused; beyond, the activations
//! themselves are asked (a bound grows much faster than they do), and if they are too large as well, the rectifier is libtorch's, which
//! keeps NaN. On other devices than a CPU nothing is fused, and nothing is asked.

use tch::{Device, Kind, TchError, Tensor};

use super::layer::Window;
use crate::ml::shim;

type Result<T> = std::result::Result<T, TchError>;

/// Far enough below the largest f32 (3.4e38) for any order of summation.
const LIMIT: f64 = 1e30;

/// A tensor, and what the magnitude of none of its values exceeds. Infinite where one is NaN.
#[derive(Debug)]
pub(super) struct Bounded {
    pub(super) value: Tensor,
    pub(super) bound: f64,
}

impl Bounded {
    /// Looks at all values.
    pub(super) fn measured(value: Tensor) -> Result<Self> {
        let bound = magnitude(&value)?;
        Ok(Self { value, bound })
    }

    pub(super) fn shallow_clone(&self) -> Self {
        Self { value: self.value.shallow_clone(), bound: self.bound }
    }

    /// The same bound for what an operation that enlarges nothing (a pool, a selection) made of it.
    pub(super) fn with(&self, value: Tensor) -> Self {
        Self { value, bound: self.bound }
    }
}

/// How much a convolution can enlarge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gain {
    weights: f64,
    bias: f64,
}

impl Gain {
    pub(super) fn of(weight: &Tensor, bias: Option<&Tensor>) -> Result<Self> {
        let rows = weight.f_to_kind(Kind::Double)?.f_abs()?.f_sum_dim_intlist([1_i64, 2, 3].as_slice(), false, None)?;
        Ok(Self { weights: magnitude(&rows)?, bias: bias.map_or(Ok(0.0), magnitude)? })
    }

    /// The bound of a convolution's outputs, plus what is added to them.
    pub(super) fn reach(self, input: &Bounded, addend: Option<&Bounded>) -> Result<f64> {
        let from = |input: f64, addend: f64| finite_or_infinite(self.weights * input + self.bias + addend);
        let bound = from(input.bound, addend.map_or(0.0, |addend| addend.bound));
        if bound <= LIMIT {
            return Ok(bound);
        }
        Ok(from(magnitude(&input.value)?, addend.map_or(Ok(0.0), |addend| magnitude(&addend.value))?))
    }
}

/// Convolution and bias, plus `addend`, which it may write over, and the rectifier if `rectify`; NaN stays NaN.
pub(super) fn convolution(
    input: &Bounded,
    (weight, bias, gain): (&Tensor, Option<&Tensor>, Gain),
    Window { stride, padding, .. }: Window,
    addend: Option<Bounded>,
    rectify: bool,
) -> Result<Bounded> {
    let bound = gain.reach(input, addend.as_ref())?;
    let addend = addend.map(|addend| addend.value);
    let is_fused = rectify && bound <= LIMIT;
    let mut value = shim::convolution(&input.value, weight, bias, stride, padding, addend, is_fused)?;
    if rectify && !is_fused {
        value = value.f_relu_()?;
    }
    Ok(Bounded { value, bound })
}

/// The largest absolute value on a CPU; 0 elsewhere, where it need not be known.
fn magnitude(tensor: &Tensor) -> Result<f64> {
    if tensor.device() != Device::Cpu || tensor.numel() == 0 {
        return Ok(0.0);
    }
    // In the order of the memory, or a copy would be made.
    let plain = if tensor.dim() == 4 && !tensor.is_contiguous() {
        tensor.f_permute([0, 2, 3, 1])?
    } else {
        tensor.shallow_clone()
    };
    let (least, most) = plain.f_aminmax(None::<i64>, false)?;
    let (least, most) = (least.f_double_value(&[])?, most.f_double_value(&[])?);
    Ok(finite_or_infinite(most.max(-least) + 0.0 * least))
}

fn finite_or_infinite(bound: f64) -> f64 {
    if bound.is_nan() { f64::INFINITY } else { bound }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::torch::channels_last;

    fn image(values: [f32; 3]) -> Tensor {
        let rows: Vec<f32> = values.iter().flat_map(|value| [*value; 16 * 36]).collect();
        channels_last(&Tensor::from_slice(&rows).view([3, 16, 6, 6])).unwrap()
    }

    fn rectified(images: &Tensor, weight: f32, addend: Option<Tensor>) -> Vec<f32> {
        let weight =
            channels_last(&Tensor::full([16, 16, 3, 3], f64::from(weight), (Kind::Float, Device::Cpu))).unwrap();
        let layer = (&weight, None, Gain::of(&weight, None).unwrap());
        let window = Window { size: 3, stride: 1, padding: 1 };
        let addend = addend.map(|addend| Bounded::measured(addend).unwrap());
        let input = Bounded::measured(images.shallow_clone()).unwrap();
        let output = convolution(&input, layer, window, addend, true).unwrap();
        assert!(magnitude(&output.value).unwrap() <= output.bound);
        Vec::try_from(output.value.select(1, 3).select(1, 2).select(1, 2)).unwrap()
    }

    #[test]
    fn a_magnitude_is_that_of_the_largest_value_and_infinite_with_nan() {
        let found = |values: &[f32]| magnitude(&Tensor::from_slice(values)).unwrap();
        assert_eq!((found(&[1.0, -3.0, 2.0]), found(&[-1.0, 4.0]), found(&[0.0])), (3.0, 4.0, 0.0));
        assert!(found(&[1.0, f32::NAN]).is_infinite() && found(&[f32::NEG_INFINITY]).is_infinite());
    }

    #[test]
    fn the_rectifier_keeps_nan_in_its_own_row() {
        let _guard = crate::ml::torch::NoGrad::enter();
        let found = rectified(&image([1.0, f32::NAN, -1.0]), 1.0, None);
        assert!(found[0] == 144.0 && found[1].is_nan() && found[2] == 0.0, "{found:?}");
        let found = rectified(&image([1.0; 3]), 1.0, Some(image([1.0, 2.0, f32::NAN])));
        assert!(found[..2] == [145.0, 146.0] && found[2].is_nan(), "{found:?}");
    }

    #[test]
    fn sums_beyond_f32_are_not_hidden_and_large_ones_within_are_exact() {
        let _guard = crate::ml::torch::NoGrad::enter();
        let found = rectified(&image([1e20, 1e37, 3e38]), -1.0, Some(image([0.0, 0.0, f32::INFINITY])));
        assert!(found[..2] == [0.0, 0.0] && found[2].is_nan(), "{found:?}");
        assert!(rectified(&image([1.0, 1e35, 2.0]), 0.5, None)[1] > 7e36);
    }

    #[test]
    fn a_bound_that_has_grown_is_measured_again() {
        let weight = Tensor::full([16, 16, 3, 3], 2.0, (Kind::Float, Device::Cpu));
        let gain = Gain::of(&weight, Some(&Tensor::from_slice(&[-1.0_f32; 16]))).unwrap();
        let input = Bounded { value: image([1.0, -4.0, 2.0]), bound: 1e29 };
        assert_eq!(gain.reach(&input, None).unwrap(), 288.0 * 4.0 + 1.0);
        assert_eq!(gain.reach(&Bounded { bound: 10.0, ..input }, None).unwrap(), 2881.0);
    }
}
