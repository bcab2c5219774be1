//! Rotary positions on tensors (Su et al. 2021, equation 34): value `i` of a head and value `i + size / 2` form a pair that is turned by
//! `position * frequency_i`. Frequencies and angles are f32, as in transformers, whatever the model's precision.

use std::f64::consts::PI;

use tch::{Device, Kind, TchError, Tensor};

use super::config::{Rotary, Scaling};
use crate::ml::shim;
use crate::ml::torch::is_f32_on_cpu;

/// Cosines and sines of the angles of each position, `[N or 1, 1, T, size]`; the first half of the sines is negative.
#[derive(Debug)]
pub(super) struct Rotation {
    cosines: Tensor,
    sines: Tensor,
}

/// `base^(-2i / size)`, scaled.
pub(super) fn frequencies(rotary: &Rotary, device: Device) -> Result<Tensor, TchError> {
    let size = rotary.size as i64;
    let exponents = Tensor::f_arange_start_step(0, size, 2, (Kind::Int64, Device::Cpu))?.f_to_kind(Kind::Float)?;
    let exponents = exponents.f_div_scalar(size as f64)?;
    let plain = Tensor::f_pow_scalar(rotary.base, &exponents)?.f_reciprocal()?;
    let plain: Vec<f32> = Vec::try_from(plain)?;
    let scaled: Vec<f32> = plain.into_iter().map(|frequency| rotary.scaling.apply(frequency)).collect();
    Tensor::f_from_slice(&scaled)?.f_to_device(device)
}

impl Scaling {
    fn apply(self, frequency: f32) -> f32 {
        match self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / factor as f32,
            Self::Llama3 { factor, low, high, context } => {
                let length = (2.0 * PI) as f32 / frequency;
                if length > (context / low) as f32 {
                    return frequency / factor as f32;
                }
                if length < (context / high) as f32 {
                    return frequency;
                }
                let share = (context as f32 / length - low as f32) / (high - low) as f32;
                (1.0 - share) * frequency / factor as f32 + share * frequency
            }
        }
    }
}

impl Rotation {
    /// For positions `[N or 1, T]`, to turn tensors of this kind.
    pub(super) fn new(frequencies: &Tensor, positions: &Tensor, kind: Kind) -> Result<Self, TchError> {
        let angles = positions.f_to_kind(Kind::Float)?.f_unsqueeze(-1)?.f_mul(frequencies)?;
        let (cosines, sines) = (angles.f_cos()?, angles.f_sin()?);
        let both = |halves: [&Tensor; 2]| Tensor::f_cat(&halves, -1)?.f_unsqueeze(1)?.f_to_kind(kind);
        Ok(Self { cosines: both([&cosines, &cosines])?, sines: both([&sines.f_neg()?, &sines])? })
    }

    /// Turns heads `[N,H,T,head]` in the angles' precision; values beyond the rotary size stay.
    pub(super) fn apply(&self, heads: &Tensor) -> Result<Tensor, TchError> {
        let (own, kind) = (heads.f_kind()?, self.cosines.f_kind()?);
        // Products of mixed kinds would convert every part by itself.
        self.turned(&heads.f_to_kind(kind)?)?.f_to_kind(own)
    }

    fn turned(&self, heads: &Tensor) -> Result<Tensor, TchError> {
        let size = self.cosines.size().last().copied().unwrap_or_default();
        let rest = heads.size().last().copied().unwrap_or_default() - size;
        if rest == 0 {
            return self.turn(heads, size);
        }
        let turned = self.turn(&heads.f_narrow(-1, 0, size)?, size)?;
        Tensor::f_cat(&[turned, heads.f_narrow(-1, size, rest)?], -1)
    }

    fn turn(&self, heads: &Tensor, size: i64) -> Result<Tensor, TchError> {
        let angles = [&self.cosines, &self.sines];
        if angles.into_iter().chain([heads]).all(is_f32_on_cpu) {
            return shim::turn(heads, &self.cosines, &self.sines);
        }
        // The halves change places.
        let across = heads.f_roll([size / 2], [-1])?;
        heads.f_mul(&self.cosines)?.f_addcmul(&across, &self.sines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

    /// Turned heads and the gradient of their sum with `outer`.
    fn turned(kind: Kind, heads: &Tensor, positions: &Tensor, outer: &Tensor) -> [Tensor; 2] {
        let rotary = Rotary { base: 10_000.0, size: 6, scaling: Scaling::None };
        let rotation = Rotation::new(&frequencies(&rotary, Device::Cpu).unwrap(), positions, kind).unwrap();
        let leaf = heads.to_kind(kind).detach().set_requires_grad(true);
        // As they come out of a linear layer: a token's heads side by side.
        let output = rotation.apply(&leaf.transpose(1, 2)).unwrap();
        let goal = (&output * outer.to_kind(kind)).sum(None::<Kind>);
        let gradient = Tensor::run_backward(&[goal], &[&leaf], false, false).remove(0);
        [output.detach(), gradient].map(|tensor| tensor.to_kind(Kind::Double))
    }

    #[test]
    fn one_pass_is_the_composed_turn_and_so_is_its_gradient() {
        tch::manual_seed(9);
        let together = Tensor::from_slice(&[0_i64, 1, 5]).view([1, 3]);
        let apart = Tensor::from_slice(&[0_i64, 1, 2, 7, 8, 900]).view([2, 3]);
        for (positions, width) in [(&together, 6), (&apart, 6), (&apart, 10)] {
            let heads = Tensor::randn([2, 3, 4, width], DOUBLE);
            let outer = Tensor::randn([2, 4, 3, width], DOUBLE);
            let found = turned(Kind::Float, &heads, positions, &outer);
            let expected = turned(Kind::Double, &heads, positions, &outer);
            for (found, expected) in found.iter().zip(&expected) {
                let gap = (found - expected).abs().max().double_value(&[]);
                assert!(gap < 1e-5, "{positions:?} {width}: {gap}");
            }
        }
    }

    #[test]
    fn angles_of_other_heads_are_refused() {
        let tensor = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        let (heads, angles) = (tensor(&[2, 4, 3, 6]), tensor(&[1, 1, 3, 6]));
        assert!(shim::turn(&heads, &angles, &angles).is_ok());
        for shape in [[1, 1, 2, 6], [3, 1, 3, 6], [1, 4, 3, 6], [1, 1, 3, 4]] {
            assert!(shim::turn(&heads, &tensor(&shape), &tensor(&shape)).is_err(), "{shape:?}");
        }
        assert!(shim::turn(&heads.to_kind(Kind::Double), &angles, &angles).is_err());
    }
}
