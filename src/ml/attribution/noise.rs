//! Noise on inputs, and how attributions of noisy copies are joined: Smilkov et al. 2017, "SmoothGrad: removing noise by adding
//! noise" (the mean, or the mean of the squares), and VarGrad (Adebayo et al. 2018, the variance, divided by `n`). As Captum
//! 0.8's `NoiseTunnel`, in f64 and in one pass (Welford 1962).

use tch::{Kind, TchError, Tensor};

use super::randomness::{Draw, Randomness};
use crate::domain::Result;
use crate::domain::attribution::{NoiseKind, NoiseLevel};
use crate::ml::torch::torch_error;

/// `input` plus normal noise of deviation `stdev`; the input itself for 0.
pub(super) fn gaussian(input: &Tensor, stdev: f64, randomness: &dyn Randomness, draw: Draw) -> Result<Tensor> {
    if stdev == 0.0 {
        return Ok(input.shallow_clone());
    }
    let noise = randomness.normal(draw, input.numel());
    add(input, noise.into_iter().map(|value| value * stdev)).map_err(torch_error("add noise"))
}

/// `input` plus values in C order.
pub(super) fn add(input: &Tensor, values: impl Iterator<Item = f64>) -> std::result::Result<Tensor, TchError> {
    input.f_add(&like(input, values)?)
}

/// Values in C order as a tensor like `input`.
pub(super) fn like(input: &Tensor, values: impl Iterator<Item = f64>) -> std::result::Result<Tensor, TchError> {
    let values: Vec<f32> = values.map(|value| value as f32).collect();
    Tensor::f_from_slice(&values)?.f_view_as(input)?.f_to_device(input.device())
}

/// The deviation of the noise on this input.
pub(super) fn deviation(level: NoiseLevel, input: &Tensor) -> Result<f64> {
    match level {
        NoiseLevel::Absolute(stdev) => Ok(stdev),
        NoiseLevel::Relative(share) => Ok(share * spread(input)?),
    }
}

/// `max - min` of all values.
pub(super) fn spread(input: &Tensor) -> Result<f64> {
    let spread = || input.f_max()?.f_sub(&input.f_min()?)?.f_double_value(&[]);
    spread().map_err(torch_error("find the input's range"))
}

/// Attributions joined one by one.
#[derive(Debug)]
pub(super) struct Joined {
    kind: NoiseKind,
    count: u32,
    /// Of the attributions, or of their squares.
    mean: Option<Tensor>,
    /// Sum of squared distances from the mean; of `VarGrad` alone.
    distances: Option<Tensor>,
}

impl Joined {
    pub(super) fn new(kind: NoiseKind) -> Self {
        Self { kind, count: 0, mean: None, distances: None }
    }

    pub(super) fn push(&mut self, attribution: &Tensor) -> Result<()> {
        self.update(attribution).map_err(torch_error("join attributions"))
    }

    fn update(&mut self, attribution: &Tensor) -> std::result::Result<(), TchError> {
        let value = attribution.f_to_kind(Kind::Double)?;
        let value = match self.kind {
            NoiseKind::SmoothGradSquared => value.f_square()?,
            NoiseKind::SmoothGrad | NoiseKind::VarGrad => value,
        };
        self.count += 1;
        let Some(mean) = &mut self.mean else {
            self.distances = Some(value.f_zeros_like()?);
            self.mean = Some(value);
            return Ok(());
        };
        let before = value.f_sub(mean)?;
        drop(mean.f_add_(&before.f_div_scalar(f64::from(self.count))?)?);
        if let (NoiseKind::VarGrad, Some(distances)) = (self.kind, &mut self.distances) {
            drop(distances.f_addcmul_(&before, &value.f_sub(mean)?)?);
        }
        Ok(())
    }

    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// The joined attribution, f32, and a new beginning; nothing was joined: nothing.
    pub(super) fn finish(&mut self) -> Result<Option<Tensor>> {
        let Self { kind, count, mean, distances } = std::mem::replace(self, Self::new(self.kind));
        let joined = match kind {
            NoiseKind::SmoothGrad | NoiseKind::SmoothGradSquared => Ok(mean),
            NoiseKind::VarGrad => distances.map(|distances| distances.f_div_scalar(f64::from(count))).transpose(),
        };
        joined
            .and_then(|joined| joined.map(|joined| joined.f_to_kind(Kind::Float)).transpose())
            .map_err(torch_error("join attributions"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(kind: NoiseKind) -> Vec<f64> {
        let mut joined = Joined::new(kind);
        for values in [[1.0_f32, 1000.1], [3.0, 1000.2], [5.0, 1000.3]] {
            joined.push(&Tensor::from_slice(&values)).unwrap();
        }
        Vec::try_from(joined.finish().unwrap().unwrap().to_kind(Kind::Double)).unwrap()
    }

    #[test]
    fn mean_squares_and_variance_are_those_of_the_definition() {
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-4 * expected.abs(), "{found}");
        close(joined(NoiseKind::SmoothGrad)[0], 3.0);
        close(joined(NoiseKind::SmoothGradSquared)[0], 35.0 / 3.0);
        close(joined(NoiseKind::VarGrad)[0], 8.0 / 3.0);
        assert!((joined(NoiseKind::VarGrad)[1] - 0.02 / 3.0).abs() < 1e-4, "no cancellation");
    }

    #[test]
    fn levels_are_absolute_or_shares_of_the_range() {
        let input = Tensor::from_slice(&[-1.0_f32, 0.0, 3.0]);
        assert_eq!(deviation(NoiseLevel::Absolute(0.5), &input).unwrap(), 0.5);
        assert_eq!(deviation(NoiseLevel::Relative(0.5), &input).unwrap(), 2.0);
    }
}
