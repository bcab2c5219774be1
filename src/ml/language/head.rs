//! From hidden states to logits.

use tch::Tensor;

use super::config::{Activation, Family, LanguageTask};
use super::linear::Linear;
use super::lora::Adapter;
use super::parts::Parts;
use crate::domain::Result;
use crate::ml::torch::torch_error;

#[derive(Debug)]
pub(super) enum Head {
    /// Logits of the next token for every hidden state.
    Next(Linear),
    /// Logits of the text's class, from the hidden state of its first token.
    Class { first: Linear, activation: Activation, classes: Linear },
}

impl Head {
    pub(super) fn new(parts: &Parts) -> Result<Self> {
        let paths = parts.config.paths();
        match (parts.config.task(), paths.head) {
            (LanguageTask::Causal, [path, ..]) if parts.config.is_tied => {
                Ok(Self::Next(Linear::new(*path, parts.weight(paths.embedding)?, None)))
            }
            (LanguageTask::Classify { .. }, [first, classes]) => Ok(Self::Class {
                first: parts.linear(first)?,
                activation: if parts.config.family == Family::Bert { Activation::Tanh } else { Activation::Relu },
                classes: parts.linear(classes)?,
            }),
            (LanguageTask::Causal | LanguageTask::Classify { .. }, paths) => {
                Ok(Self::Next(parts.linear(paths.first().copied().unwrap_or_default())?))
            }
        }
    }

    /// The layer of a model that writes, unless it is trained or changed by the adapter.
    pub(super) fn frozen(&self, adapter: Option<&Adapter>) -> Option<&Linear> {
        match self {
            Self::Next(layer) => {
                let changed = adapter.is_some_and(|adapter| adapter.touches(layer.path()));
                (!changed && !layer.weight().requires_grad()).then_some(layer)
            }
            Self::Class { .. } => None,
        }
    }

    pub(super) fn forward(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor> {
        match self {
            Self::Next(layer) => layer.forward(hidden, adapter),
            Self::Class { first, activation, classes } => {
                let failed = torch_error("pool the hidden states");
                let text = first.forward(&hidden.f_select(1, 0).map_err(&failed)?, adapter)?;
                classes.forward(&activation.apply(&text).map_err(failed)?, adapter)
            }
        }
    }
}
