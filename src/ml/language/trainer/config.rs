//! What a run is given, what it returns, and which settings are refused.

use std::path::PathBuf;
use std::rc::Rc;

use super::objective::steered_layer;
use super::sample::TextSample;
use crate::domain::job::Metric;
use crate::domain::text_training::{Objective, RetainLoss, TextEarlyStop, TextTrainerSpec};
use crate::domain::{Error, Result};
use crate::ml::language::LanguageModel;
use crate::ml::language::lora::Adapter;

#[derive(Debug)]
pub struct TextFineTuneInputs {
    /// Stays as it is where an adapter is trained; a copy that may be changed where all parameters are.
    pub model: Rc<LanguageModel>,
    /// Training goes on from this adapter, which has the rank and targets of the trainer; a new one is made otherwise.
    pub adapter: Option<Adapter>,
    /// The model before training, for objectives that compare with it while all parameters move.
    pub reference: Option<Rc<LanguageModel>>,
    pub forget: Vec<TextSample>,
    pub retain: Vec<TextSample>,
    pub trainer: TextTrainerSpec,
    /// Checkpoints of this job and of no other.
    pub checkpoint_folder: PathBuf,
}

#[derive(Debug)]
pub struct TextTuned {
    pub model: Rc<LanguageModel>,
    /// Absent where all parameters were trained.
    pub adapter: Option<Adapter>,
    pub steps: u64,
    /// Epochs begun.
    pub epochs: u32,
    /// Loss (and accuracy of a classifier) of both parts under the final weights.
    pub final_metrics: Vec<Metric>,
    pub early_stopped: bool,
    /// Examples without a labelled token.
    pub skipped: usize,
}

/// Refuses settings that cannot train. Fields are named relative to the trainer (`batch_size`).
pub fn validate(trainer: &TextTrainerSpec) -> Result<()> {
    check("batch_size", f64::from(trainer.batch_size), above_zero)?;
    check("accumulation", f64::from(trainer.accumulation), above_zero)?;
    check("epochs", f64::from(trainer.epochs), above_zero)?;
    check("learning_rate", trainer.learning_rate, above_zero)?;
    check("weight_decay", trainer.weight_decay, at_least_zero)?;
    check("clip_norm", trainer.clip_norm, at_least_zero)?;
    check("retain_ratio", trainer.retain_ratio, at_least_zero)?;
    check("warmup_ratio", trainer.warmup_ratio, share)?;
    match trainer.early_stop {
        Some(TextEarlyStop::LossAtMost(loss) | TextEarlyStop::ForgetLossAtLeast(loss)) => {
            check("early_stop", loss, |loss| if loss.is_nan() { Some("be a number") } else { None })?;
        }
        None => {}
    }
    validate_objective(trainer.objective)
}

fn validate_objective(objective: Objective) -> Result<()> {
    let weights = |gamma, alpha| {
        check("objective.gamma", gamma, at_least_zero).and_then(|()| check("objective.alpha", alpha, at_least_zero))
    };
    match objective {
        Objective::Supervised => Ok(()),
        Objective::GradDiff { gamma, alpha, retain: _ } => weights(gamma, alpha),
        Objective::Npo { beta, gamma, alpha, retain: _ } => {
            check("objective.beta", beta, above_zero).and_then(|()| weights(gamma, alpha))
        }
        Objective::SimNpo { beta, delta, gamma, alpha, retain: _ } => {
            check("objective.beta", beta, above_zero)?;
            check("objective.delta", delta, at_least_zero).and_then(|()| weights(gamma, alpha))
        }
        Objective::Rmu { layer: _, coefficient, gamma, alpha } => {
            check("objective.coefficient", coefficient, above_zero).and_then(|()| weights(gamma, alpha))
        }
    }
}

/// Refuses an objective that steers a layer beyond the model's `count`.
pub(in super::super) fn check_layers(trainer: &TextTrainerSpec, count: usize) -> Result<()> {
    let Objective::Rmu { layer, .. } = trainer.objective else { return Ok(()) };
    let layer = steered_layer(layer, count);
    if layer < count {
        return Ok(());
    }
    let description = format!("the model has layers 0 to {}, got {layer}", count.saturating_sub(1));
    Err(Error::invalid("LAYER_OUT_OF_RANGE", "objective.layer", description))
}

/// Whether the model of before is asked while training, batch by batch.
pub(in super::super) fn compares(objective: Objective) -> bool {
    match objective {
        Objective::Supervised => false,
        Objective::Rmu { .. } => true,
        Objective::GradDiff { retain, .. } | Objective::Npo { retain, .. } | Objective::SimNpo { retain, .. } => {
            retain == RetainLoss::Divergence
        }
    }
}

type Rule = fn(f64) -> Option<&'static str>;

fn check(field: &str, value: f64, rule: Rule) -> Result<()> {
    match rule(value) {
        None => Ok(()),
        Some(wanted) => Err(Error::invalid("INVALID_TRAINER", field, format!("must {wanted}, got {value}"))),
    }
}

fn above_zero(value: f64) -> Option<&'static str> {
    (!(value.is_finite() && value > 0.0)).then_some("be above 0")
}

fn at_least_zero(value: f64) -> Option<&'static str> {
    (!(value.is_finite() && value >= 0.0)).then_some("be at least 0")
}

fn share(value: f64) -> Option<&'static str> {
    (!(0.0..=1.0).contains(&value)).then_some("be between 0 and 1")
}
