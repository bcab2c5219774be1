//! Rotary positions on tensors (Su et al. 2021, equation 34): value `i` of a head and value `i + size / 2` form a pair that is turned by
//! `position * frequency_i`. Frequencies and angles are f32, as in transformers, whatever the model's precision.

use std::f64::consts::PI;

use tch::{Device, Kind, TchError, Tensor};

use super::config::{Rotary, Scaling};

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
        // The halves change places.
        let across = heads.f_roll([size / 2], [-1])?;
        heads.f_mul(&self.cosines)?.f_addcmul(&across, &self.sines)
    }
}
