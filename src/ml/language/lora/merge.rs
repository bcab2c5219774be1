//! `W + scale * B A` and back.

use tch::{Kind, TchError, Tensor};

use super::adapter::{Adapter, LowRank};
use crate::domain::{Error, Result};
use crate::ml::torch::{NoGrad, is_finite, torch_error};

impl Adapter {
    /// The weight `[out, in]` of layer `path` with the adapter in it, as a new tensor of the same kind; the product is taken in f32.
    /// `None` where the adapter leaves the layer alone.
    pub fn merged(&self, path: &str, weight: &Tensor) -> Result<Option<Tensor>> {
        self.moved(path, weight, 1.0)
    }

    /// The weight that was there before `merged`, but for rounding.
    pub fn unmerged(&self, path: &str, weight: &Tensor) -> Result<Option<Tensor>> {
        self.moved(path, weight, -1.0)
    }

    fn moved(&self, path: &str, weight: &Tensor, sign: f64) -> Result<Option<Tensor>> {
        let Some(low_rank) = self.layers().get(path) else { return Ok(None) };
        let _guard = NoGrad::enter();
        let moved = moved(weight, low_rank, sign).map_err(torch_error("merge an adapter"))?;
        match is_finite(&moved).map_err(torch_error("merge an adapter"))? {
            true => Ok(Some(moved)),
            false => Err(not_finite(path)),
        }
    }
}

fn moved(weight: &Tensor, LowRank { a, b, scale }: &LowRank, sign: f64) -> std::result::Result<Tensor, TchError> {
    let product = b.f_to_kind(Kind::Float)?.f_matmul(&a.f_to_kind(Kind::Float)?)?.f_mul_scalar(scale * sign)?;
    weight.f_to_kind(Kind::Float)?.f_add(&product)?.f_to_kind(weight.f_kind()?)
}

fn not_finite(path: &str) -> Error {
    let message =
        format!("the adapter makes weights of `{path}` infinite or not a number; train it anew at a lower rate");
    Error::failed_precondition("NON_FINITE_ADAPTER", message)
}
