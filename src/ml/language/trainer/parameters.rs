//! What moves: an adapter beside the model, or the model itself.

use tch::{Kind, Tensor};

use crate::domain::text_training::{LoraSpec, TextTrainerSpec, TrainedParameters};
use crate::domain::{Error, Result};
use crate::ml::language::LanguageModel;
use crate::ml::language::lora::{Adapter, Dropout};
use crate::ml::torch::{deep_copy, torch_error};

#[derive(Debug)]
pub(super) struct Parameters {
    /// What is trained, unless the model itself is.
    pub(super) adapter: Option<Adapter>,
    /// The adapter that training began with, if it was not a new one: with it the model is what it was before.
    pub(super) origin: Option<Adapter>,
    dropout: f64,
    seed: u64,
}

impl Parameters {
    /// Also the trained tensors by name, recording gradients.
    pub(super) fn new(
        model: &LanguageModel,
        adapter: Option<Adapter>,
        trainer: &TextTrainerSpec,
    ) -> Result<(Self, Vec<(String, Tensor)>)> {
        let (adapter, origin, dropout) = match &trainer.parameters {
            TrainedParameters::Adapter(spec) => {
                let origin = adapter.as_ref().map(|adapter| adapter.copy_to(model.device())).transpose()?;
                let adapter =
                    adapter.map_or_else(|| fresh(model, spec, trainer.seed), |given| given.copy_to(model.device()))?;
                (Some(adapter), origin, spec.dropout)
            }
            TrainedParameters::All => (None, None, 0.0),
        };
        let tensors = match &adapter {
            Some(adapter) => adapter.tensors(),
            None => whole(model)?,
        };
        for (_, tensor) in &tensors {
            let _ = tensor.f_set_requires_grad(true).map_err(torch_error("record gradients"))?;
        }
        Ok((Self { adapter, origin, dropout, seed: trainer.seed }, tensors))
    }

    /// Inputs of the adapter are left out as befits this batch.
    pub(super) fn set_dropout(&mut self, step: u64, batch: u64) {
        let dropout = Dropout { rate: self.dropout, seed: self.seed, step, batch };
        let dropout = (self.dropout > 0.0).then_some(dropout);
        if let Some(adapter) = &mut self.adapter {
            adapter.set_dropout(dropout);
        }
    }

    pub(super) fn clear_dropout(&mut self) {
        if let Some(adapter) = &mut self.adapter {
            adapter.set_dropout(None);
        }
    }
}

/// A new adapter; one of a classifier brings a copy of the last layer along.
fn fresh(model: &LanguageModel, spec: &LoraSpec, seed: u64) -> Result<Adapter> {
    let adapter = Adapter::initialise(spec, &model.config().adaptable_layers(), seed, model.device())
        .map_err(|error| error.under("text.trainer.lora"))?;
    let copy = |(name, _): (String, Vec<i64>)| {
        let tensor = model.tensors().get(&name).ok_or_else(|| Error::internal(format!("the model lacks `{name}`")))?;
        let copy = deep_copy(tensor).and_then(|copy| copy.f_to_kind(Kind::Float));
        Ok((name, copy.map_err(torch_error("copy the head"))?))
    };
    Ok(adapter.with_saved(model.config().head_tensors().into_iter().map(copy).collect::<Result<_>>()?))
}

fn whole(model: &LanguageModel) -> Result<Vec<(String, Tensor)>> {
    if model.kind() != Kind::Float {
        let description = "all parameters are trained in f32; load the model in f32, or train an adapter";
        return Err(Error::invalid("INVALID_TRAINER", "parameters", description));
    }
    if model.config().has_transposed_weights() {
        let description =
            "the weights of this architecture lie the other way round, so that only adapters of it are trained";
        return Err(Error::invalid("INVALID_TRAINER", "parameters", description));
    }
    Ok(model.tensors().iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect())
}
