//! The tensors of an adapter and what they add to a layer.

use std::collections::BTreeMap;

use tch::{Device, TchError, Tensor};

use super::dropout::Dropout;
use crate::domain::Result;
use crate::ml::torch::{Autocast, deep_copy, torch_error};

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

/// Low-rank additions by the path of their layer, and tensors of the model that stand in for its own.
#[derive(Debug, Default)]
pub struct Adapter {
    layers: BTreeMap<String, LowRank>,
    /// By tensor name (`score.weight`): peft's `modules_to_save`.
    saved: BTreeMap<String, Tensor>,
    dropout: Option<Dropout>,
}

impl Adapter {
    pub fn new(layers: BTreeMap<String, LowRank>) -> Self {
        Self { layers, ..Self::default() }
    }

    #[must_use]
    pub fn with_saved(mut self, saved: BTreeMap<String, Tensor>) -> Self {
        self.saved = saved;
        self
    }

    pub fn layers(&self) -> &BTreeMap<String, LowRank> {
        &self.layers
    }

    pub fn saved(&self) -> &BTreeMap<String, Tensor> {
        &self.saved
    }

    /// Weight and bias that stand in for those of the layer at `path`.
    pub fn replacement(&self, path: &str) -> Option<(&Tensor, Option<&Tensor>)> {
        if self.saved.is_empty() {
            return None;
        }
        Some((self.saved.get(&format!("{path}.weight"))?, self.saved.get(&format!("{path}.bias"))))
    }

    /// Whether the layer at `path` is another with this adapter.
    pub fn touches(&self, path: &str) -> bool {
        self.layers.contains_key(path) || self.replacement(path).is_some()
    }

    /// From now on inputs are left out as `dropout` says; `None` outside training.
    pub fn set_dropout(&mut self, dropout: Option<Dropout>) {
        self.dropout = dropout;
    }

    /// What this adapter adds to the output of layer `path` for `input` `[.., in]`; nothing where it leaves the layer alone.
    /// It is computed in the adapter's precision (under autocast in that) and comes in the input's.
    pub fn delta(&self, path: &str, input: &Tensor) -> Result<Option<Tensor>> {
        let Some(LowRank { a, b, scale }) = self.layers.get(path) else { return Ok(None) };
        let delta = || {
            let input_kind = if Autocast::is_on(input.device()) { input.f_kind()? } else { a.f_kind()? };
            let kept = self.dropped(path, &input.f_to_kind(input_kind)?)?;
            // Scaled where it is smallest.
            let inner = kept.f_linear::<&Tensor>(a, None)?.f_mul_scalar(*scale)?;
            inner.f_linear::<&Tensor>(b, None)?.f_to_kind(input.f_kind()?)
        };
        delta().map(Some).map_err(torch_error("apply an adapter"))
    }

    fn dropped(&self, path: &str, input: &Tensor) -> std::result::Result<Tensor, TchError> {
        match &self.dropout {
            Some(dropout) => {
                let layer = self.layers.keys().take_while(|other| other.as_str() < path).count();
                dropout.apply(layer as u64, input)
            }
            None => Ok(input.shallow_clone()),
        }
    }

    /// All tensors as peft's files name them, in order, sharing memory.
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let layers = self.layers.iter().flat_map(|(path, LowRank { a, b, .. })| {
            [("lora_A", a), ("lora_B", b)]
                .map(|(role, tensor)| (format!("base_model.model.{path}.{role}.weight"), tensor.shallow_clone()))
        });
        let saved =
            self.saved.iter().map(|(name, tensor)| (format!("base_model.model.{name}"), tensor.shallow_clone()));
        layers.chain(saved).collect()
    }

    /// A copy that shares nothing, on a device, without dropout.
    pub fn copy_to(&self, device: Device) -> Result<Self> {
        let copy = |tensor: &Tensor| deep_copy(tensor)?.f_to_device(device);
        let low_rank = |(path, LowRank { a, b, scale }): (&String, &LowRank)| -> Result<_, TchError> {
            Ok((path.clone(), LowRank { a: copy(a)?, b: copy(b)?, scale: *scale }))
        };
        let saved = |(name, tensor): (&String, &Tensor)| -> Result<_, TchError> { Ok((name.clone(), copy(tensor)?)) };
        let both = || -> Result<_, TchError> {
            let layers = self.layers.iter().map(low_rank).collect::<Result<_, _>>()?;
            Ok(Self::new(layers).with_saved(self.saved.iter().map(saved).collect::<Result<_, _>>()?))
        };
        both().map_err(torch_error("copy an adapter"))
    }
}
