//! One block: attention and a network, each beside a path that leaves the hidden states as they are.

use tch::Tensor;

use super::attention::Attention;
use super::cache::LayerCache;
use super::config::Order;
use super::lora::Adapter;
use super::network::Network;
use super::norm::Norm;
use super::parts::Parts;
use super::pass::Pass;
use crate::domain::Result;
use crate::ml::torch::{Autocast, torch_error};

#[derive(Debug)]
pub(super) struct Block {
    order: Order,
    attention: Attention,
    attention_norm: Norm,
    network: Network,
    network_norm: Norm,
}

impl Block {
    pub(super) fn new(parts: &Parts, block: usize) -> Result<Self> {
        let norm = |name: &str| parts.norm(&parts.config.in_block(block, name));
        let [attention_norm, network_norm] = parts.config.paths().norms;
        Ok(Self {
            order: parts.config.order,
            attention: Attention::new(parts, block)?,
            attention_norm: norm(attention_norm)?,
            network: Network::new(parts, block)?,
            network_norm: norm(network_norm)?,
        })
    }

    pub(super) fn forward(
        &self,
        hidden: &Tensor,
        pass: &Pass,
        cache: Option<&mut LayerCache>,
        adapter: Option<&Adapter>,
    ) -> Result<Tensor> {
        match self.order {
            Order::PreNorm => {
                let attended = self.attention.forward(&branch(&self.attention_norm, hidden)?, pass, cache, adapter)?;
                let hidden = sum(&attended, hidden)?;
                sum(&self.network.forward(&branch(&self.network_norm, &hidden)?, adapter)?, &hidden)
            }
            Order::Parallel => {
                let attended = self.attention.forward(&branch(&self.attention_norm, hidden)?, pass, cache, adapter)?;
                let network = self.network.forward(&branch(&self.network_norm, hidden)?, adapter)?;
                sum(&sum(&network, &attended)?, hidden)
            }
            Order::PostNorm => {
                let attended = self.attention.forward(hidden, pass, cache, adapter)?;
                let hidden = self.attention_norm.forward(&sum(&attended, hidden)?)?;
                self.network_norm.forward(&sum(&self.network.forward(&hidden, adapter)?, &hidden)?)
            }
        }
    }
}

/// What only linear layers take.
fn branch(norm: &Norm, hidden: &Tensor) -> Result<Tensor> {
    Autocast::lowered(&norm.forward(hidden)?).map_err(torch_error("convert the hidden states"))
}

fn sum(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    left.f_add(right).map_err(torch_error("add to the hidden states"))
}
