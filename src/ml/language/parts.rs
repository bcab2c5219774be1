//! Builds layers from checked tensors.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::config::{LanguageConfig, NormKind};
use super::linear::Linear;
use super::norm::Norm;
use crate::domain::{Error, Result};
use crate::ml::torch::torch_error;

/// The tensors of a model, in its precision and on its device.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) config: &'a LanguageConfig,
    tensors: BTreeMap<String, Tensor>,
}

impl<'a> Parts<'a> {
    /// Tensors that have the right type and place already stay views of their file.
    pub(super) fn new(
        config: &'a LanguageConfig,
        tensors: BTreeMap<String, Tensor>,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let place = |(name, tensor): (String, Tensor)| {
            let placed = tensor.f_to_device(device).and_then(|tensor| tensor.f_to_kind(kind));
            Ok((name, placed.map_err(torch_error("place the weights"))?))
        };
        Ok(Self { config, tensors: tensors.into_iter().map(place).collect::<Result<_>>()? })
    }

    pub(super) fn into_tensors(self) -> BTreeMap<String, Tensor> {
        self.tensors
    }

    pub(super) fn weight(&self, path: &str) -> Result<Tensor> {
        self.find(path, "weight").ok_or_else(|| Error::internal(format!("a checked model lacks `{path}`")))
    }

    fn find(&self, path: &str, name: &str) -> Option<Tensor> {
        self.tensors.get(&format!("{path}.{name}")).map(Tensor::shallow_clone)
    }

    pub(super) fn linear(&self, path: &str) -> Result<Linear> {
        Ok(Linear::new(path, self.weight(path)?, self.find(path, "bias")))
    }

    /// A linear layer of a block.
    pub(super) fn linear_of(&self, block: usize, name: &str) -> Result<Linear> {
        let path = self.config.in_block(block, name);
        let weight = self.weight(&path)?;
        let weight = if self.config.paths().is_transposed { weight.f_tr() } else { Ok(weight) };
        let weight = weight.map_err(torch_error("transpose the weights"))?;
        let bias = self.find(&path, "bias");
        Ok(Linear::new(path, weight, bias))
    }

    pub(super) fn norm(&self, path: &str) -> Result<Norm> {
        let weight = self.weight(path)?;
        Ok(match self.config.norm {
            NormKind::RootMeanSquare(epsilon) => Norm::RootMeanSquare { weight, epsilon },
            NormKind::Layer(epsilon) => Norm::Layer { weight, bias: self.find(path, "bias"), epsilon },
        })
    }
}
