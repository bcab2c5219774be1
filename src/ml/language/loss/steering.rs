//! Representation misdirection (RMU; Li et al., arXiv 2403.03218): hidden states of what is forgotten are drawn to a random direction,
//! those of what is retained to where they were.

use rand::Rng;
use tch::{Device, Kind, Tensor};

use super::sequence_losses;
use crate::domain::Result;
use crate::ml::random::{Purpose, stream};
use crate::ml::torch::torch_error;

/// The direction `[width]` of a seed: uniform in [0,1), scaled to length `coefficient`.
pub fn direction(width: usize, coefficient: f64, seed: u64, device: Device) -> Result<Tensor> {
    let mut random = stream(seed, Purpose::Direction, 0);
    let values: Vec<f64> = (0..width).map(|_| random.random()).collect();
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let scaled: Vec<f32> = values.iter().map(|value| (value / length * coefficient) as f32).collect();
    Tensor::f_from_slice(&scaled)
        .and_then(|direction| direction.f_to_device(device))
        .map_err(torch_error("draw a direction"))
}

/// Mean squared distance of each example's rows to `aim` (`[D]` or `[M,D]`): hidden states `[M,D]`, to `[N]`. `lengths` `[N]` counts rows.
pub fn distances(hidden: &Tensor, aim: &Tensor, owners: &Tensor, lengths: &Tensor) -> Result<Tensor> {
    let failed = torch_error("measure hidden states");
    let rows = || hidden.f_to_kind(aim.f_kind()?)?.f_sub(aim)?.f_square()?.f_mean_dim(-1_i64, false, None::<Kind>);
    let sums = sequence_losses(&rows().map_err(&failed)?, owners, lengths.numel())?;
    sums.f_div(lengths).map_err(failed)
}
