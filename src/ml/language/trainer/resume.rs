//! What a checkpoint of a run holds, and going on from one.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::{Kind, Tensor};

use super::run::{Run, Tally};
use crate::domain::{Error, ErrorKind, Result};
use crate::ml::checkpoint::Saved;
use crate::ml::torch::{NoGrad, torch_error};

const MODEL: &str = "model.";

/// A run between two optimiser steps. Order, padding and dropout follow from seed and step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RunState {
    step: u64,
    /// Of trainer and examples: a checkpoint fits no other run.
    fingerprint: String,
    tally: Tally,
    before_losses: Vec<f64>,
}

impl Run {
    pub(super) fn fingerprint(&self) -> Result<String> {
        let text = serde_json::to_vec(&(&self.trainer, self.pool.fingerprint()?))
            .map_err(|error| Error::internal("failed to name the run").with_source(error))?;
        Ok(format!("{:x}", Sha256::digest(text)))
    }

    pub(super) fn state(&self, fingerprint: &str) -> RunState {
        let (step, tally, before_losses) = (self.step, self.tally, self.before_losses.clone());
        RunState { step, fingerprint: fingerprint.to_owned(), tally, before_losses }
    }

    /// Everything that training changes: trained parameters and optimiser state.
    pub(super) fn tensors(&self) -> Vec<(String, Tensor)> {
        let trained = self.optimizer.names_and_parameters().into_iter();
        trained.map(|(name, tensor)| (format!("{MODEL}{name}"), tensor)).chain(self.optimizer.state()).collect()
    }

    /// Goes back to a saved state.
    pub(super) fn restore(&mut self, saved: &Saved<RunState>, fingerprint: &str) -> Result<()> {
        if saved.state.fingerprint != fingerprint {
            return Err(Error::failed_precondition(
                "CHECKPOINT_MISMATCH",
                "the checkpoint is of a run with other settings or data; start the job anew",
            ));
        }
        let _guard = NoGrad::enter();
        for (name, mut tensor) in self.optimizer.names_and_parameters() {
            let saved = saved.tensors.iter().find(|(saved, _)| saved.strip_prefix(MODEL) == Some(&name));
            let value = saved.map(|(_, value)| value).filter(|value| value.size() == tensor.size());
            let value = value.filter(|value| value.kind() == Kind::Float).ok_or_else(|| damaged(&name))?;
            tensor.f_copy_(value).map_err(torch_error("load a checkpoint"))?;
        }
        self.optimizer.load_state(&saved.tensors)?;
        (self.step, self.tally) = (saved.state.step, saved.state.tally);
        self.before_losses.clone_from(&saved.state.before_losses);
        Ok(())
    }
}

fn damaged(name: &str) -> Error {
    Error::new(ErrorKind::DataLoss, "CHECKPOINT_DAMAGED", format!("the checkpoint has no valid `{name}`"))
}
