//! Cross-entropy against hard or soft targets, with a weight for each sample; targets live on the device.

use std::collections::HashMap;

use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::order::Weighting;
use crate::domain::Result;
use crate::ml::poison::Targets;
use crate::ml::torch::torch_error;

/// Targets of some samples.
#[derive(Debug)]
pub(super) enum DeviceTargets {
    /// i64 `[N]`.
    Hard(Tensor),
    /// f32 `[N, K]`, rows sum to 1.
    Soft(Tensor),
}

impl DeviceTargets {
    pub(super) fn new(targets: &Targets, device: Device) -> Result<Self> {
        let copy = || match targets {
            Targets::Hard(labels) => {
                let labels: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
                Tensor::f_from_slice(&labels)?.f_to_device(device).map(Self::Hard)
            }
            Targets::Soft { class_count, values } => {
                let values = Tensor::f_from_slice(values)?.f_view([-1, i64::from(*class_count)])?;
                values.f_to_device(device).map(Self::Soft)
            }
        };
        copy().map_err(torch_error("copy the targets"))
    }

    /// Those of `rows` (i64 on the same device).
    pub(super) fn select(&self, rows: &Tensor) -> std::result::Result<Self, TchError> {
        match self {
            Self::Hard(labels) => labels.f_index_select(0, rows).map(Self::Hard),
            Self::Soft(values) => values.f_index_select(0, rows).map(Self::Soft),
        }
    }

    /// Cross-entropy of each sample, from log-probabilities `[N, K]`.
    pub(super) fn losses(&self, log_probabilities: &Tensor) -> std::result::Result<Tensor, TchError> {
        match self {
            Self::Hard(labels) => log_probabilities.f_nll_loss::<Tensor>(labels, None, Reduction::None, -100),
            Self::Soft(values) => {
                log_probabilities.f_mul(values)?.f_sum_dim_intlist(-1_i64, false, Kind::Float)?.f_neg()
            }
        }
    }

    /// Turns probabilities into the gradient of each sample's cross-entropy by its logits, in place: `p - t`.
    pub(super) fn subtract_from(&self, probabilities: &mut Tensor) -> std::result::Result<(), TchError> {
        match self {
            Self::Hard(labels) => {
                let minus_one = Tensor::f_full([labels.numel() as i64, 1], -1.0, (Kind::Float, labels.device()))?;
                probabilities.f_scatter_add_(1, &labels.f_unsqueeze(1)?, &minus_one).map(drop)
            }
            Self::Soft(values) => probabilities.f_sub_(values).map(drop),
        }
    }
}

/// Weights of the samples of a batch, made once for each shape of batch.
#[derive(Debug)]
pub(super) struct SampleWeights {
    alpha: f64,
    device: Device,
    opposed: HashMap<(usize, usize), Tensor>,
}

/// What a sample's loss is multiplied with.
#[derive(Debug)]
pub(super) enum Weights {
    Uniform(f64),
    /// f32 `[N]`.
    Each(Tensor),
}

impl SampleWeights {
    pub(super) fn new(alpha: f64, device: Device) -> Self {
        Self { alpha, device, opposed: HashMap::new() }
    }

    pub(super) fn of(&mut self, weighting: Weighting, size: usize) -> Result<Weights> {
        match weighting {
            Weighting::Mean => Ok(Weights::Uniform(1.0 / size as f64)),
            Weighting::Opposed { retain, forget } => {
                let (alpha, device) = (self.alpha, self.device);
                let weights = match self.opposed.entry((retain, forget)) {
                    std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
                    std::collections::hash_map::Entry::Vacant(entry) => {
                        let weights = opposed(alpha, retain, forget, device);
                        entry.insert(weights.map_err(torch_error("weigh the samples"))?)
                    }
                };
                Ok(Weights::Each(weights.shallow_clone()))
            }
        }
    }
}

/// `alpha/retain` for the first `retain` samples, `-(1-alpha)/forget` for the others.
fn opposed(alpha: f64, retain: usize, forget: usize, device: Device) -> std::result::Result<Tensor, TchError> {
    let mut weights = vec![(alpha / retain as f64) as f32; retain];
    weights.resize(retain + forget, (-(1.0 - alpha) / forget as f64) as f32);
    Tensor::f_from_slice(&weights)?.f_to_device(device)
}

impl Weights {
    /// The loss of the batch.
    pub(super) fn total(&self, losses: &Tensor) -> std::result::Result<Tensor, TchError> {
        match self {
            Self::Uniform(_) => losses.f_mean(Kind::Float),
            Self::Each(weights) => losses.f_dot(weights),
        }
    }

    /// Scales rows `[N, K]` in place.
    pub(super) fn scale(&self, rows: &mut Tensor) -> std::result::Result<(), TchError> {
        match self {
            Self::Uniform(weight) => rows.f_mul_scalar_(*weight).map(drop),
            Self::Each(weights) => rows.f_mul_(&weights.f_unsqueeze(1)?).map(drop),
        }
    }
}
