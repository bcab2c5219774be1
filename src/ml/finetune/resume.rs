//! What a checkpoint of a run holds, and going on from one.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::Tensor;

use super::run::Run;
use super::tally::Tally;
use crate::domain::finetune::{Method, TrainerSpec};
use crate::domain::{Error, ErrorKind, Result};
use crate::ml::checkpoint::Saved;
use crate::ml::poison::TrainingSet;
use crate::ml::torch::{NoGrad, torch_error};

const MODEL: &str = "model.";

/// A run between two steps. Data order and augmentation follow from `seed` and `step`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RunState {
    pub(super) step: u64,
    pub(super) epoch: u64,
    /// Batches done in the epoch.
    pub(super) position: u64,
    pub(super) seed: u64,
    /// Of method, trainer and training set: a checkpoint fits no other run.
    pub(super) fingerprint: String,
    pub(super) baseline: Option<f64>,
    pub(super) tally: Tally,
}

/// What a run of these settings on this training set is recognised by.
pub(super) fn fingerprint(method: Method, trainer: &TrainerSpec, training: &TrainingSet) -> Result<String> {
    let text = serde_json::to_vec(&(method, trainer, training.fingerprint()))
        .map_err(|error| Error::internal("failed to name the run").with_source(error))?;
    Ok(format!("{:x}", Sha256::digest(text)))
}

impl Run {
    pub(super) fn state(&self, fingerprint: &str) -> RunState {
        RunState {
            step: self.step,
            epoch: self.epoch_number(),
            position: self.step % self.steps_per_epoch,
            seed: self.trainer.seed,
            fingerprint: fingerprint.to_owned(),
            baseline: self.baseline,
            tally: self.tally,
        }
    }

    /// Everything that training changes: trained parameters, buffers, optimiser state. The rest is the parent's.
    pub(super) fn tensors(&self) -> Vec<(String, Tensor)> {
        let model = self.changing().into_iter().map(|(name, tensor)| (format!("{MODEL}{name}"), tensor));
        model.chain(self.optimizer.state()).collect()
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
        for (name, mut tensor) in self.changing() {
            let saved = saved.tensors.iter().find(|(saved, _)| saved.strip_prefix(MODEL) == Some(&name));
            let value = saved.map(|(_, value)| value).filter(|value| value.size() == tensor.size());
            let value = value.ok_or_else(|| damaged(&name))?;
            tensor.f_copy_(value).map_err(torch_error("load a checkpoint"))?;
        }
        self.optimizer.load_state(&saved.tensors)?;
        (self.step, self.baseline, self.tally) = (saved.state.step, saved.state.baseline, saved.state.tally);
        Ok(())
    }

    fn changing(&self) -> Vec<(String, Tensor)> {
        self.optimizer.names_and_parameters().into_iter().chain(self.backbone.named_buffers()).collect()
    }
}

fn damaged(name: &str) -> Error {
    Error::new(ErrorKind::DataLoss, "CHECKPOINT_DAMAGED", format!("the checkpoint has no valid `{name}`"))
}
