//! What training takes of a device's memory, from the sizes of the model.
//!
//! Activations are counted as for attribution (measured on SmolLM2: 14,600 values a token and block; this gives 16,100).

use super::config::LanguageConfig;
use super::lora::select;
use super::loss::LEAN_LOGITS;
use super::resident::Language;
use super::trainer::{check_layers, compares};
use crate::domain::Result;
use crate::domain::text_training::{LoraSpec, TextTrainerSpec, TrainedParameters};

/// Values of a block's width and of its network's that a token leaves behind in a block for the way back.
const OF_WIDTH: usize = 12;
const OF_NETWORK: usize = 6;
const FLOAT: u64 = size_of::<f32>() as u64;
/// A trained parameter itself, its gradient, and two moments.
const OF_PARAMETER: u64 = 4;
/// Logits, their logarithms and the gradient.
const OF_LOGIT: u64 = 3;

impl Language {
    /// Bytes that training keeps, and those of one step, for texts of at most `tokens` tokens.
    ///
    /// # Errors
    /// `UNKNOWN_TARGET_MODULE`, `LAYER_OUT_OF_RANGE`: the trainer names layers that the model does not have.
    pub fn training_bytes(&self, trainer: &TextTrainerSpec, tokens: usize) -> Result<(u64, u64)> {
        let config = self.model().config();
        check_layers(trainer, config.layer_count())?;
        let rows = (trainer.batch_size as usize * tokens) as u64;
        let blocks = if trainer.gradient_checkpointing { 1 } else { config.layer_count() } as u64;
        let of_block = config.block_values() as u64;
        let entering = (config.layer_count() * config.hidden_size()) as u64;
        let logits = rows * config.vocabulary_size() as u64;
        let logits = if keeps_logits(trainer) { logits } else { logits.min(LEAN_LOGITS.unsigned_abs()) };
        let step = (rows * (blocks * of_block + entering) + logits * OF_LOGIT) * FLOAT;
        let trained = match &trainer.parameters {
            TrainedParameters::Adapter(spec) => adapter_parameters(config, spec)?,
            TrainedParameters::All => self.byte_size() / FLOAT,
        };
        Ok((trained * OF_PARAMETER * FLOAT, step))
    }
}

/// Whether the logits of a whole batch are there at a time: for a head that moves, and to compare with those of before.
fn keeps_logits(trainer: &TextTrainerSpec) -> bool {
    trainer.parameters == TrainedParameters::All || compares(trainer.objective)
}

impl LanguageConfig {
    /// Values that a token leaves behind in a block for the way back.
    pub(super) fn block_values(&self) -> usize {
        OF_WIDTH * self.hidden_size() + OF_NETWORK * self.inner_size
    }
}

fn adapter_parameters(config: &LanguageConfig, spec: &LoraSpec) -> Result<u64> {
    let layers = config.adaptable_layers();
    let chosen = select(&spec.targets, &layers).map_err(|error| error.under("lora"))?;
    let values = |layer: &&super::lora::LayerShape| (layer.inputs + layer.outputs).unsigned_abs();
    let head: i64 = config.head_tensors().iter().map(|(_, size)| size.iter().product::<i64>()).sum();
    Ok(chosen.iter().map(values).sum::<u64>() * u64::from(spec.rank) + head.unsigned_abs())
}
