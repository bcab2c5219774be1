//! Completeness (Sundararajan et al. 2017, proposition 1): an attribution sums to the output's difference between input and baseline.

use tch::{Kind, Tensor};

use crate::domain::Result;
use crate::ml::torch::torch_error;

/// Good enough at this relative delta.
const CONVERGED: f64 = 0.05;
/// Smaller differences of outputs count as this.
const SMALLEST_DIFFERENCE: f64 = 1e-6;

/// What the sum of an attribution misses; by default nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Completeness {
    pub delta: f64,
    pub relative_delta: f64,
}

impl Completeness {
    /// Of an attribution that should sum to `difference`.
    pub(super) fn of(values: &Tensor, difference: f64) -> Result<Self> {
        let sum = values.f_sum(Kind::Double).and_then(|sum| sum.f_double_value(&[]));
        Ok(Self::of_sum(sum.map_err(torch_error("sum the attribution"))?, difference))
    }

    /// Of an attribution that sums to `sum` and should to `difference`.
    pub(crate) fn of_sum(sum: f64, difference: f64) -> Self {
        let delta = sum - difference;
        Self { delta, relative_delta: delta.abs() / difference.abs().max(SMALLEST_DIFFERENCE) }
    }

    pub(crate) fn converged(&self) -> bool {
        self.relative_delta <= CONVERGED
    }
}
