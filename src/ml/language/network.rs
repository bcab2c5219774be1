//! The network of a block: two linear layers with a function between them, or three where a gate is one (Shazeer 2020).

use tch::Tensor;

use super::config::Activation;
use super::linear::Linear;
use super::lora::Adapter;
use super::parts::Parts;
use crate::domain::Result;
use crate::ml::torch::torch_error;

#[derive(Debug)]
pub(super) struct Network {
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
    activation: Activation,
}

impl Network {
    pub(super) fn new(parts: &Parts, block: usize) -> Result<Self> {
        let paths = parts.config.paths();
        Ok(Self {
            gate: paths.gate.map(|name| parts.linear_of(block, name)).transpose()?,
            up: parts.linear_of(block, paths.up)?,
            down: parts.linear_of(block, paths.down)?,
            activation: parts.config.activation,
        })
    }

    pub(super) fn forward(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor> {
        let failed = torch_error("apply a block's network");
        let up = self.up.forward(hidden, adapter)?;
        let inner = match &self.gate {
            Some(gate) => {
                let gate = self.activation.apply(&gate.forward(hidden, adapter)?).map_err(&failed)?;
                gate.f_mul(&up)
            }
            None => self.activation.apply(&up),
        };
        self.down.forward(&inner.map_err(failed)?, adapter)
    }
}
