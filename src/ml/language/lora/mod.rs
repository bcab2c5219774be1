//! Low-rank adapters (Hu et al. 2021, equation 3): beside a frozen layer `W x` runs `scale * B A x`.
//!
//! Layers are named by their path in the Hugging Face model (`model.layers.0.self_attn.q_proj`), as peft names them.

use std::collections::BTreeMap;

use tch::Tensor;

use crate::domain::Result;
use crate::ml::torch::torch_error;

/// What is added to one linear layer.
#[derive(Debug)]
pub struct LowRank {
    /// `[rank, in]`.
    pub a: Tensor,
    /// `[out, rank]`.
    pub b: Tensor,
    /// `alpha / rank`, or `alpha / sqrt(rank)` for rank-stabilised adapters.
    pub scale: f64,
}

/// Low-rank additions by the path of their layer.
#[derive(Debug, Default)]
pub struct Adapter {
    layers: BTreeMap<String, LowRank>,
}

impl Adapter {
    pub fn new(layers: BTreeMap<String, LowRank>) -> Self {
        Self { layers }
    }

    pub fn layers(&self) -> &BTreeMap<String, LowRank> {
        &self.layers
    }

    /// What this adapter adds to the output of layer `path` for `input` `[.., in]`; nothing where it leaves the layer alone.
    pub fn delta(&self, path: &str, input: &Tensor) -> Result<Option<Tensor>> {
        let Some(LowRank { a, b, scale }) = self.layers.get(path) else { return Ok(None) };
        let delta = || input.f_linear::<&Tensor>(a, None)?.f_linear::<&Tensor>(b, None)?.f_mul_scalar(*scale);
        delta().map(Some).map_err(torch_error("apply an adapter"))
    }
}
