//! What a run consists of: the model, what moves, the order of samples, the optimiser and how far it is.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::batch::Batch;
use super::checkpointing::{Passage, accumulate};
use super::config::{TextFineTuneInputs, check_layers, compares, validate};
use super::objective::Piece;
use super::order::{Order, Part, Step};
use super::parameters::Parameters;
use super::pool::Pool;
use super::rate::Rate;
use crate::domain::finetune::Optimizer as Choice;
use crate::domain::text_training::{Objective, TextTrainerSpec, TrainedParameters};
use crate::domain::{Error, ErrorKind, Result};
use crate::ml::language::LanguageModel;
use crate::ml::language::loss::direction;
use crate::ml::optim::{Optimizer, clip_global_norm, global_norm};
use crate::ml::torch::{check_precision, torch_error};

#[derive(Debug)]
pub(super) struct Run {
    pub(super) model: Rc<LanguageModel>,
    pub(super) parameters: Parameters,
    /// The model of before, where all parameters move.
    pub(super) reference: Option<Rc<LanguageModel>>,
    pub(super) pool: Pool,
    pub(super) trainer: TextTrainerSpec,
    pub(super) rate: Rate,
    pub(super) optimizer: Optimizer,
    /// Optimiser steps done.
    pub(super) step: u64,
    pub(super) steps_per_epoch: u64,
    pub(super) tally: Tally,
    pub(super) early_stopped: bool,
    /// NPO: summed negative log-likelihood of each forgotten sample before training.
    pub(super) before_losses: Vec<f64>,
    /// RMU: the direction.
    pub(super) aim: Option<Tensor>,
    order: Order,
    epoch: Option<(u64, Vec<Step>)>,
    begun: Begun,
}

/// Of the epoch so far, as the batches were when they were trained on.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) steps: u64,
    pub(super) loss: f64,
    pub(super) forget: Sum,
    pub(super) retain: Sum,
}

/// Negative log-likelihoods.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Sum {
    pub(super) scored: u64,
    pub(super) loss: f64,
}

impl Sum {
    pub(super) fn mean(self) -> Option<f64> {
        (self.scored > 0).then(|| self.loss / self.scored as f64)
    }
}

/// The part of an optimiser step that is done.
#[derive(Debug, Default)]
struct Begun {
    batches: usize,
    loss: f64,
    gradients: Vec<Tensor>,
}

impl Run {
    pub(super) fn new(inputs: TextFineTuneInputs) -> Result<Self> {
        let TextFineTuneInputs { model, adapter, reference, forget, retain, trainer, checkpoint_folder: _ } = inputs;
        validate(&trainer)?;
        check_precision(trainer.precision, model.device())?;
        check_objective(&trainer, &model, reference.as_deref())?;
        let pool = Pool::new(model.config(), forget, retain)?;
        check_parts(&trainer, &pool)?;
        let (parameters, tensors) = Parameters::new(&model, adapter, &trainer)?;
        let order = Order::new(&pool, &trainer);
        let steps_per_epoch = order.steps_per_epoch(&pool);
        Ok(Self {
            aim: aim(&trainer, &model)?,
            rate: Rate::new(&trainer, steps_per_epoch),
            optimizer: Optimizer::new(ADAMW, trainer.weight_decay, tensors)?,
            model,
            parameters,
            reference,
            pool,
            trainer,
            step: 0,
            steps_per_epoch,
            tally: Tally::default(),
            early_stopped: false,
            before_losses: Vec::new(),
            order,
            epoch: None,
            begun: Begun::default(),
        })
    }

    pub(super) fn epochs_begun(&self) -> u32 {
        u32::try_from(self.step.div_ceil(self.steps_per_epoch)).unwrap_or(u32::MAX)
    }

    /// The last step ended an epoch or the run.
    pub(super) fn is_epoch_end(&self) -> bool {
        self.step > 0 && (self.step.is_multiple_of(self.steps_per_epoch) || self.is_last())
    }

    pub(super) fn is_last(&self) -> bool {
        self.step >= self.rate.total()
    }

    /// Trains on the next batch; the loss of the optimiser step if it was its last.
    pub(super) fn train(&mut self) -> Result<Option<f64>> {
        let (part, samples, count, is_last) = self.next()?;
        let chosen: Vec<_> = samples.iter().map(|&sample| &self.pool.samples[sample]).collect();
        let batch = Batch::new(&chosen, self.model.device())?;
        let piece = Piece { part, batch: &batch, samples: &samples, count, before: self.before(part, &batch)? };
        self.parameters.set_dropout(self.step, self.begun.batches as u64);
        let passage = Passage {
            model: &self.model,
            adapter: self.parameters.adapter.as_ref(),
            batch: &batch,
            depth: self.depth(),
            precision: self.trainer.precision,
        };
        let recompute = self.trainer.gradient_checkpointing;
        let (loss, gradients) =
            passage.gradients(self.optimizer.parameters(), recompute, &|hidden| self.loss(&piece, hidden))?;
        self.begun.loss += loss.value.f_double_value(&[]).map_err(torch_error("read the loss"))?;
        accumulate(&mut self.begun.gradients, gradients)?;
        self.begun.batches += 1;
        self.tell(&samples, loss.likelihood);
        if is_last { self.apply().map(Some) } else { Ok(None) }
    }

    /// Part, samples and counts of the next batch, and whether it is the last of its step.
    fn next(&mut self) -> Result<(Part, Vec<usize>, super::order::Count, bool)> {
        let number = self.step / self.steps_per_epoch;
        if self.epoch.as_ref().is_none_or(|(current, _)| *current != number) {
            self.epoch = Some((number, self.order.epoch(&self.pool, number)));
        }
        let steps = self.epoch.as_ref().map_or(&[][..], |(_, steps)| steps);
        let step = steps.get((self.step % self.steps_per_epoch) as usize);
        let found = step.and_then(|step| {
            let (part, samples) = step.batches.get(self.begun.batches)?;
            Some((*part, samples.clone(), step.count(*part), self.begun.batches + 1 == step.batches.len()))
        });
        found.ok_or_else(|| Error::internal("an epoch has fewer batches than steps"))
    }

    /// A batch of both parts is told of where they can be told apart: in the measure after training.
    fn tell(&mut self, samples: &[usize], likelihood: Option<f64>) {
        let Some(likelihood) = likelihood else { return };
        let forgotten = samples.iter().filter(|&&sample| self.pool.is_forget(sample)).count();
        let sum = match forgotten {
            0 => &mut self.tally.retain,
            all if all == samples.len() => &mut self.tally.forget,
            _ => return,
        };
        sum.loss += likelihood;
        sum.scored += samples.iter().map(|&sample| self.pool.samples[sample].scored_count() as u64).sum::<u64>();
    }

    /// Takes the optimiser step: checks loss and gradient, clips, moves the parameters.
    fn apply(&mut self) -> Result<f64> {
        let Begun { loss, mut gradients, .. } = std::mem::take(&mut self.begun);
        let norm = match self.trainer.clip_norm {
            0.0 => global_norm(&gradients)?,
            limit => clip_global_norm(&mut gradients, limit)?,
        };
        if !loss.is_finite() || !norm.is_finite() {
            return Err(self.diverged(loss, norm));
        }
        self.optimizer.step(&gradients, self.rate.at(self.step))?;
        self.step += 1;
        self.tally.steps += 1;
        self.tally.loss += loss;
        Ok(loss)
    }

    pub(super) fn diverged(&self, loss: f64, norm: f64) -> Error {
        let message = format!(
            "training diverged at step {}: loss {loss}, gradient norm {norm}; the parent version is unchanged. Lower \
             `learning_rate` or set `clip_norm`",
            self.step + 1
        );
        Error::new(ErrorKind::Aborted, "NON_FINITE_LOSS", message)
    }
}

const ADAMW: Choice = Choice::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

fn aim(trainer: &TextTrainerSpec, model: &LanguageModel) -> Result<Option<Tensor>> {
    match trainer.objective {
        Objective::Rmu { coefficient, .. } => {
            direction(model.config().hidden_size(), coefficient, trainer.seed, model.device()).map(Some)
        }
        Objective::Supervised | Objective::GradDiff { .. } | Objective::Npo { .. } | Objective::SimNpo { .. } => {
            Ok(None)
        }
    }
}

fn check_objective(trainer: &TextTrainerSpec, model: &LanguageModel, reference: Option<&LanguageModel>) -> Result<()> {
    check_layers(trainer, model.config().layer_count())?;
    match (&trainer.parameters, reference) {
        (TrainedParameters::All, None) if compares(trainer.objective) => {
            Err(Error::internal("an objective that compares needs the model of before while all parameters move"))
        }
        (TrainedParameters::All | TrainedParameters::Adapter(_), _) => Ok(()),
    }
}

/// An objective that forgets needs something to forget.
fn check_parts(trainer: &TextTrainerSpec, pool: &Pool) -> Result<()> {
    match trainer.objective {
        Objective::Supervised => Ok(()),
        Objective::GradDiff { .. } | Objective::Npo { .. } | Objective::SimNpo { .. } | Objective::Rmu { .. } => {
            match pool.forget_count {
                0 => Err(Error::failed_precondition(
                    "EMPTY_TRAINING_SET",
                    "no forgotten example has a labelled token; raise the cutoff or choose others",
                )),
                _ => Ok(()),
            }
        }
    }
}
