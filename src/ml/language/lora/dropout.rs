//! Dropout whose draws follow from (seed, step, batch, layer): a layer that is computed again drops the same inputs.

use rand::RngCore;
use tch::{Kind, TchError, Tensor};

use crate::ml::random::{Purpose, nested_stream};

/// Draws are compared with sixteen bits; the values kept are scaled by what the threshold really is.
const STEPS: f64 = 65536.0;
/// Bits of a stream's index that hold the batch of a step; the step is above.
const BATCH_BITS: u32 = 20;

/// What is left out in one batch of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout {
    pub rate: f64,
    pub seed: u64,
    pub step: u64,
    pub batch: u64,
}

impl Dropout {
    /// Values of the input of a layer, each zero with probability `rate`, else divided by `1 - rate`.
    pub(super) fn apply(&self, layer: u64, input: &Tensor) -> Result<Tensor, TchError> {
        let threshold = (self.rate * STEPS).round().clamp(0.0, STEPS - 1.0);
        if threshold == 0.0 {
            return Ok(input.shallow_clone());
        }
        let mut random = nested_stream(self.seed, Purpose::Dropout, self.step << BATCH_BITS | self.batch, layer);
        let mut draws = vec![0_u8; input.numel() * 2];
        random.fill_bytes(&mut draws);
        let draws = Tensor::f_from_data_size(&draws, &input.size(), Kind::Int16)?.f_to_device(input.device())?;
        let kept = draws.f_ge(threshold - STEPS / 2.0)?.f_to_kind(input.f_kind()?)?;
        input.f_mul(&kept.f_mul_scalar(STEPS / (STEPS - threshold))?)
    }
}
