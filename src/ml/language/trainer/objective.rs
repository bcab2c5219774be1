//! The loss of one batch, as its part of the loss of the whole optimiser step.

use tch::{Kind, TchError, Tensor};

use super::batch::{Batch, Rows, Scored};
use super::checkpointing::{Loss, Passage};
use super::order::{Count, Part};
use super::run::Run;
use crate::domain::text_training::{Objective, RetainLoss};
use crate::domain::{Error, Result};
use crate::ml::language::LanguageModel;
use crate::ml::language::lora::Adapter;
use crate::ml::language::loss::{
    distances, divergences, lean_token_losses, npo, sequence_losses, simnpo, token_losses,
};
use crate::ml::torch::{Autocast, NoGrad, torch_error};

/// A batch of an optimiser step, and the hidden states or logits that the model of before has for it.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) part: Part,
    pub(super) batch: &'a Batch,
    pub(super) samples: &'a [usize],
    /// Of the part in the whole step.
    pub(super) count: Count,
    pub(super) before: Option<Tensor>,
}

/// Negative log-likelihoods of what a batch is asked, `[M]`, or `[N]` of a classifier.
#[derive(Debug)]
pub(super) struct Likelihood(Tensor);

impl Likelihood {
    pub(super) fn of(logits: &Tensor, batch: &Batch) -> Result<Self> {
        token_losses(logits, batch.targets()).map(Self)
    }

    /// From hidden states before what follows the blocks; no more logits are kept than have to be.
    fn read(model: &LanguageModel, adapter: Option<&Adapter>, batch: &Batch, hidden: &Tensor) -> Result<Self> {
        match (&batch.scored, model.frozen_head(adapter)) {
            (Scored::Tokens { rows, targets }, Some(head)) => {
                let states = rows.of(&model.finish(hidden)?).map_err(torch_error("pick the labelled tokens"))?;
                lean_token_losses(head, &states, targets).map(Self)
            }
            (Scored::Tokens { .. } | Scored::Classes(_), _) => Self::of(&logits(model, adapter, batch, hidden)?, batch),
        }
    }

    /// Summed over each sample, `[N]`.
    pub(super) fn sequences(&self, batch: &Batch) -> Result<Tensor> {
        match &batch.scored {
            Scored::Tokens { rows, .. } => sequence_losses(&self.0, &rows.owners, batch.size),
            Scored::Classes(_) => Ok(self.0.shallow_clone()),
        }
    }

    fn summed(&self, weight: f64) -> Result<Loss> {
        let failed = torch_error("sum the loss");
        let sum = self.0.f_sum(Kind::Float).map_err(&failed)?;
        let likelihood = sum.f_detach().and_then(|sum| sum.f_double_value(&[])).map_err(&failed)?;
        Ok(Loss { value: sum.f_mul_scalar(weight).map_err(failed)?, likelihood: Some(likelihood) })
    }

    fn with(&self, value: std::result::Result<Tensor, TchError>) -> Result<Loss> {
        Ok(Loss { value: value.map_err(torch_error("sum the loss"))?, ..self.summed(1.0)? })
    }
}

impl Batch {
    pub(super) fn targets(&self) -> &Tensor {
        match &self.scored {
            Scored::Tokens { targets, .. } => targets,
            Scored::Classes(classes) => classes,
        }
    }
}

/// `[M,V]`, or `[N,K]` of a classifier.
pub(super) fn logits(
    model: &LanguageModel,
    adapter: Option<&Adapter>,
    batch: &Batch,
    hidden: &Tensor,
) -> Result<Tensor> {
    let hidden = model.finish(hidden)?;
    match &batch.scored {
        Scored::Tokens { rows, .. } => {
            model.head(&rows.of(&hidden).map_err(torch_error("pick the labelled tokens"))?, adapter)
        }
        Scored::Classes(_) => model.head(&hidden, adapter),
    }
}

impl Run {
    /// Of the hidden states after the last block that runs.
    pub(super) fn loss(&self, piece: &Piece<'_>, hidden: &Tensor) -> Result<Loss> {
        let (examples, scored) = (piece.count.examples as f64, piece.count.scored as f64);
        let adapter = self.parameters.adapter.as_ref();
        let likelihood = || Likelihood::read(&self.model, adapter, piece.batch, hidden);
        match (piece.part, self.trainer.objective) {
            (Part::Supervised, _) | (_, Objective::Supervised) => likelihood()?.summed(1.0 / scored),
            (Part::Forget, Objective::GradDiff { gamma, .. }) => likelihood()?.summed(-gamma / scored),
            (Part::Forget, Objective::Npo { beta, gamma, .. }) => {
                let (found, before) = (likelihood()?, self.reference_of(piece)?);
                let losses = npo(&found.sequences(piece.batch)?, &before, beta)?;
                found.with(weighted(&losses, gamma / examples))
            }
            (Part::Forget, Objective::SimNpo { beta, delta, gamma, .. }) => {
                let found = likelihood()?;
                let losses = simnpo(&found.sequences(piece.batch)?, &lengths(piece.batch)?, beta, delta)?;
                found.with(weighted(&losses, gamma / examples))
            }
            (Part::Forget, Objective::Rmu { gamma, .. }) => {
                let aim = self.aim.as_ref().ok_or_else(|| Error::internal("no direction was drawn"))?;
                steered(&piece.batch.steered, hidden, aim, gamma / examples)
            }
            (Part::Retain, Objective::Rmu { alpha, .. }) => {
                steered(&piece.batch.steered, hidden, before(piece)?, alpha / examples)
            }
            (
                Part::Retain,
                Objective::GradDiff { alpha, retain, .. }
                | Objective::Npo { alpha, retain, .. }
                | Objective::SimNpo { alpha, retain, .. },
            ) => match retain {
                RetainLoss::Likelihood => likelihood()?.summed(alpha / scored),
                RetainLoss::Divergence => {
                    let logits = logits(&self.model, adapter, piece.batch, hidden)?;
                    let losses = divergences(&logits, before(piece)?)?;
                    Likelihood::of(&logits, piece.batch)?.with(weighted(&losses, alpha / scored))
                }
            },
        }
    }

    /// Blocks that a batch goes through.
    pub(super) fn depth(&self) -> usize {
        let all = self.model.config().layer_count();
        match self.trainer.objective {
            Objective::Rmu { layer, .. } => (steered_layer(layer, all) + 1).min(all),
            Objective::Supervised | Objective::GradDiff { .. } | Objective::Npo { .. } | Objective::SimNpo { .. } => {
                all
            }
        }
    }

    /// What the model of before training says of a retained batch, where the objective asks for it.
    pub(super) fn before(&self, part: Part, batch: &Batch) -> Result<Option<Tensor>> {
        if part != Part::Retain || !super::config::compares(self.trainer.objective) {
            return Ok(None);
        }
        let (_guard, _precision) = (NoGrad::enter(), Autocast::enter(self.trainer.precision)?);
        let (model, adapter) = (self.reference.as_ref().unwrap_or(&self.model), self.parameters.origin.as_ref());
        let passage = Passage { model, adapter, batch, depth: self.depth(), precision: self.trainer.precision };
        let hidden = passage.hidden()?;
        match self.trainer.objective {
            Objective::Rmu { .. } => {
                batch.steered.of(&hidden).map(Some).map_err(torch_error("pick the steered tokens"))
            }
            Objective::Supervised | Objective::GradDiff { .. } | Objective::Npo { .. } | Objective::SimNpo { .. } => {
                logits(model, adapter, batch, &hidden).map(Some)
            }
        }
    }

    fn reference_of(&self, piece: &Piece<'_>) -> Result<Tensor> {
        let values: Vec<f32> = piece.samples.iter().map(|&sample| self.before_losses[sample] as f32).collect();
        let tensor = Tensor::f_from_slice(&values).and_then(|tensor| tensor.f_to_device(self.model.device()));
        tensor.map_err(torch_error("read the reference"))
    }
}

fn before<'a>(piece: &'a Piece<'_>) -> Result<&'a Tensor> {
    piece.before.as_ref().ok_or_else(|| Error::internal("the model of before was not asked"))
}

fn weighted(losses: &Tensor, weight: f64) -> std::result::Result<Tensor, TchError> {
    losses.f_sum(Kind::Float)?.f_mul_scalar(weight)
}

fn lengths(batch: &Batch) -> Result<Tensor> {
    match &batch.scored {
        Scored::Tokens { rows, .. } => Ok(rows.lengths.shallow_clone()),
        Scored::Classes(classes) => Tensor::f_ones([batch.size as i64], (Kind::Float, classes.device()))
            .map_err(torch_error("count the classes")),
    }
}

fn steered(rows: &Rows, hidden: &Tensor, aim: &Tensor, weight: f64) -> Result<Loss> {
    let failed = torch_error("steer hidden states");
    let losses = distances(&rows.of(hidden).map_err(&failed)?, aim, &rows.owners, &rows.lengths)?;
    Ok(Loss { value: weighted(&losses, weight).map_err(failed)?, likelihood: None })
}

/// The block whose output RMU steers: the one that was named, or a third of the way up.
pub(super) fn steered_layer(named: Option<u32>, count: usize) -> usize {
    named.map_or(count / 3, |layer| layer as usize)
}
