//! What a run consists of, whatever it trains on: the model, the data order, the optimiser and how far it is.

use std::sync::Arc;

use tch::{TchError, Tensor};

use super::loss::{DeviceTargets, SampleWeights};
use super::order::{Batch, DataOrder, Epoch};
use super::tally::Tally;
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::{BatchNormMode, TrainerSpec};
use crate::domain::{Error, ErrorKind, Result};
use crate::ml::backbone::{Backbone, BnMode};
use crate::ml::optim::{LearningRate, Optimizer, clip_global_norm, global_norm};
use crate::ml::poison::TrainingSet;
use crate::ml::torch::{check_precision, torch_error};

use super::config::{FineTuneInputs, validate};

#[derive(Debug)]
pub(super) struct Run {
    pub(super) backbone: Backbone,
    pub(super) source: Arc<dyn ImageSource>,
    pub(super) training: Arc<TrainingSet>,
    pub(super) targets: DeviceTargets,
    pub(super) weights: SampleWeights,
    pub(super) order: Arc<DataOrder>,
    pub(super) trainer: TrainerSpec,
    pub(super) rate: LearningRate,
    pub(super) optimizer: Optimizer,
    /// Optimiser steps done.
    pub(super) step: u64,
    pub(super) steps_per_epoch: u64,
    /// Accuracy on the retained part before training.
    pub(super) baseline: Option<f64>,
    /// Of the batches of the epoch so far, as they were when they were trained on.
    pub(super) tally: Tally,
    pub(super) early_stopped: bool,
    current: Option<(u64, Epoch)>,
}

impl Run {
    pub(super) fn new(inputs: FineTuneInputs) -> Result<Self> {
        let FineTuneInputs { parent: backbone, source, training, method, trainer, baseline_retain_accuracy, .. } =
            inputs;
        validate(&trainer)?;
        check_precision(trainer.precision, backbone.device())?;
        let moving_statistics = trainer.batch_norm == BatchNormMode::Update && backbone.has_batch_norm();
        check_size(&training, moving_statistics)?;
        let order = DataOrder::new(&training, method, trainer.batch_size, moving_statistics, trainer.seed);
        let steps_per_epoch = order.steps_per_epoch();
        let parameters = backbone.trainable(trainer.scope)?;
        Ok(Self {
            targets: DeviceTargets::new(&training.targets, backbone.device())?,
            weights: SampleWeights::new(trainer.alpha, backbone.device()),
            rate: LearningRate::new(&trainer, steps_per_epoch),
            optimizer: Optimizer::new(trainer.optimizer, trainer.weight_decay, parameters)?,
            backbone,
            source,
            training: Arc::new(training),
            order: Arc::new(order),
            trainer,
            step: 0,
            steps_per_epoch,
            baseline: baseline_retain_accuracy,
            tally: Tally::default(),
            early_stopped: false,
            current: None,
        })
    }

    /// The epoch of the next step, from 0.
    pub(super) fn epoch_number(&self) -> u64 {
        self.step / self.steps_per_epoch
    }

    /// Epochs begun.
    pub(super) fn epochs_begun(&self) -> u32 {
        u32::try_from(self.step.div_ceil(self.steps_per_epoch)).unwrap_or(u32::MAX)
    }

    /// The last step ended an epoch or the run.
    pub(super) fn is_epoch_end(&self) -> bool {
        self.step > 0 && (self.step.is_multiple_of(self.steps_per_epoch) || self.is_last())
    }

    /// No step is left.
    pub(super) fn is_last(&self) -> bool {
        self.step >= self.rate.total_steps()
    }

    /// The batch of the next step and the epoch that it is part of.
    pub(super) fn batch(&mut self) -> (Batch, &Epoch) {
        let number = self.epoch_number();
        if self.current.as_ref().is_none_or(|(current, _)| *current != number) {
            self.current = Some((number, self.order.epoch(number)));
        }
        let (_, epoch) = self.current.as_ref().expect("the epoch was made above");
        (epoch.batches[(self.step % self.steps_per_epoch) as usize], epoch)
    }

    /// Takes the step: checks loss and gradient, clips, moves the parameters.
    pub(super) fn apply(&mut self, loss: &Tensor, mut gradients: Vec<Tensor>) -> Result<f64> {
        let value = loss.f_double_value(&[]).map_err(torch_error("read the loss"))?;
        let norm = match self.trainer.clip_norm {
            0.0 => global_norm(&gradients)?,
            limit => clip_global_norm(&mut gradients, limit)?,
        };
        if !value.is_finite() || !norm.is_finite() {
            return Err(self.diverged(value, norm));
        }
        self.optimizer.step(&gradients, self.rate.at(self.step))?;
        self.step += 1;
        Ok(value)
    }

    fn diverged(&self, loss: f64, norm: f64) -> Error {
        let message = format!(
            "training diverged at step {}: loss {loss}, gradient norm {norm}; the parent version is unchanged. Lower \
             `learning_rate` or set `clip_norm`",
            self.step + 1
        );
        Error::new(ErrorKind::Aborted, "NON_FINITE_LOSS", message)
    }

    /// Weights after the last step are judged by what they give.
    pub(super) fn check_finite(&self, tally: &Tally) -> Result<()> {
        match tally.is_finite() {
            true => Ok(()),
            false => Err(self.diverged(f64::NAN, f64::NAN)),
        }
    }

    pub(super) fn bn_mode(&self) -> BnMode {
        match self.trainer.batch_norm {
            BatchNormMode::Frozen | BatchNormMode::RecalibrateOnRetain => BnMode::Eval,
            BatchNormMode::Update => BnMode::Train,
        }
    }

    /// Gradients of `loss` in the order of the optimiser's parameters.
    pub(super) fn gradients(&self, loss: &Tensor) -> std::result::Result<Vec<Tensor>, TchError> {
        Tensor::f_run_backward(&[loss], self.optimizer.parameters(), false, false)
    }
}

fn check_size(training: &TrainingSet, moving_statistics: bool) -> Result<()> {
    match training.len() {
        0 => Err(Error::failed_precondition("EMPTY_TRAINING_SET", "there is no sample to train on")),
        1 if moving_statistics => Err(Error::failed_precondition(
            "TRAINING_SET_TOO_SMALL",
            "one sample has no BatchNorm statistics; freeze them or train on more samples",
        )),
        _ => Ok(()),
    }
}
