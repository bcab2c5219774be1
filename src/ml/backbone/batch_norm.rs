//! BatchNorm with PyTorch's defaults (momentum 0.1, epsilon 1e-5), and with `momentum=None` for measuring the running
//! statistics anew.

use tch::{TchError, Tensor};

use super::BnMode;
use crate::ml::torch::NoGrad;

pub(super) const EPSILON: f64 = 1e-5;
pub(super) const MOMENTUM: f64 = 0.1;

#[derive(Debug)]
pub(super) struct BatchNorm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub mean: Tensor,
    pub variance: Tensor,
    pub count: Tensor,
}

impl BatchNorm {
    pub(super) fn forward(&self, input: &Tensor, mode: BnMode) -> Result<Tensor, TchError> {
        match mode {
            BnMode::Eval => self.apply(input, None),
            BnMode::Train => {
                self.count_batch(input)?;
                self.apply(input, Some(MOMENTUM))
            }
            BnMode::Cumulative => {
                self.count_batch(input)?;
                self.apply(input, Some(1.0 / self.count.f_int64_value(&[])? as f64))
            }
        }
    }

    /// With a momentum the statistics of the batch are used and the running ones move.
    fn apply(&self, input: &Tensor, momentum: Option<f64>) -> Result<Tensor, TchError> {
        input.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.mean),
            Some(&self.variance),
            momentum.is_some(),
            momentum.unwrap_or(MOMENTUM),
            EPSILON,
            true,
        )
    }

    /// A single value per channel has no variance; libtorch would store NaN.
    fn count_batch(&self, input: &Tensor) -> Result<(), TchError> {
        let channels = self.weight.size().first().copied().unwrap_or(1);
        if input.numel() as i64 <= channels {
            let text =
                "BatchNorm in training mode should contain more than one value per channel: use batches of 2 or more";
            return Err(TchError::Torch(text.to_owned()));
        }
        let _guard = NoGrad::enter();
        self.count.shallow_clone().f_add_scalar_(1).map(drop)
    }
}
