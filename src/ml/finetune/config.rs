//! What a run is given, what it returns, and which settings are refused.

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::dataset::ImageSource;
use crate::domain::finetune::{BatchNormMode, EarlyStop, Method, Optimizer, Schedule, Scope, TrainerSpec};
use crate::domain::job::Metric;
use crate::domain::{Error, Result};
use crate::ml::activations::ActivationCache;
use crate::ml::backbone::Backbone;
use crate::ml::poison::TrainingSet;

/// Flag of a result whose retained accuracy is below `min_retain_accuracy`.
pub const UTILITY_COLLAPSE: &str = "UTILITY_COLLAPSE";

#[derive(Debug)]
pub struct FineTuneInputs {
    /// A copy that may be changed: of the parent version, or freshly initialised for `Retrain` and `Train`.
    pub parent: Backbone,
    pub source: Arc<dyn ImageSource>,
    pub training: TrainingSet,
    pub method: Method,
    pub trainer: TrainerSpec,
    /// Checkpoints of this job and of no other.
    pub checkpoint_folder: PathBuf,
    /// Without one, features are computed for this run alone.
    pub cache: Option<ActivationCache>,
    /// Accuracy of the parent on the retained part, if known; early stopping measures it otherwise.
    pub baseline_retain_accuracy: Option<f64>,
}

#[derive(Debug)]
pub struct FineTuned {
    pub backbone: Backbone,
    pub steps: u64,
    /// Epochs begun.
    pub epochs: u32,
    /// Loss and accuracy of forget and retain part under the final weights.
    pub final_metrics: Vec<Metric>,
    pub early_stopped: bool,
    /// `UTILITY_COLLAPSE` or none.
    pub flags: Vec<String>,
}

/// Refuses settings that cannot train. Fields are named relative to the trainer (`batch_size`).
pub fn validate(trainer: &TrainerSpec) -> Result<()> {
    positive("batch_size", f64::from(trainer.batch_size))?;
    positive("epochs", f64::from(trainer.epochs))?;
    positive("learning_rate", trainer.learning_rate)?;
    at_least_zero("weight_decay", trainer.weight_decay)?;
    at_least_zero("clip_norm", trainer.clip_norm)?;
    share("alpha", trainer.alpha)?;
    share("min_retain_accuracy", trainer.min_retain_accuracy)?;
    validate_optimizer(trainer.optimizer)?;
    validate_schedule(trainer.schedule)?;
    if let Some(EarlyStop { max_forget_accuracy, max_retain_drop }) = trainer.early_stop {
        share("early_stop.max_forget_accuracy", max_forget_accuracy)?;
        share("early_stop.max_retain_drop", max_retain_drop)?;
    }
    match trainer.batch_norm {
        BatchNormMode::Update if trainer.batch_size == 1 => {
            Err(invalid("batch_size", "must be at least 2 when BatchNorm statistics are updated, got 1"))
        }
        BatchNormMode::Update | BatchNormMode::Frozen | BatchNormMode::RecalibrateOnRetain => Ok(()),
    }
}

fn validate_optimizer(optimizer: Optimizer) -> Result<()> {
    match optimizer {
        Optimizer::Sgd { momentum, nesterov } => {
            below_one("optimizer.momentum", momentum)?;
            if nesterov && momentum == 0.0 {
                return Err(invalid("optimizer.nesterov", "needs a momentum above 0"));
            }
            Ok(())
        }
        Optimizer::AdamW { beta1, beta2, epsilon } => {
            below_one("optimizer.beta1", beta1)?;
            below_one("optimizer.beta2", beta2)?;
            positive("optimizer.epsilon", epsilon)
        }
    }
}

fn validate_schedule(schedule: Schedule) -> Result<()> {
    match schedule {
        Schedule::Constant => Ok(()),
        Schedule::Step { every_epochs, gamma } => {
            positive("schedule.every_epochs", f64::from(every_epochs))?;
            positive("schedule.gamma", gamma)
        }
        Schedule::Cosine { minimum } => share("schedule.minimum", minimum),
    }
}

fn invalid(field: &str, description: impl Into<String>) -> Error {
    Error::invalid("INVALID_TRAINER", field, description)
}

fn positive(field: &str, value: f64) -> Result<()> {
    match value.is_finite() && value > 0.0 {
        true => Ok(()),
        false => Err(invalid(field, format!("must be above 0, got {value}"))),
    }
}

fn at_least_zero(field: &str, value: f64) -> Result<()> {
    match value.is_finite() && value >= 0.0 {
        true => Ok(()),
        false => Err(invalid(field, format!("must be at least 0, got {value}"))),
    }
}

fn share(field: &str, value: f64) -> Result<()> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(()),
        false => Err(invalid(field, format!("must be between 0 and 1, got {value}"))),
    }
}

fn below_one(field: &str, value: f64) -> Result<()> {
    match (0.0..1.0).contains(&value) {
        true => Ok(()),
        false => Err(invalid(field, format!("must be at least 0 and below 1, got {value}"))),
    }
}

/// Whether a run trains on features computed once. They are the same in every epoch when nothing below the head moves, no
/// statistics, no pixels.
pub fn trains_on_features(backbone: &Backbone, trainer: &TrainerSpec) -> bool {
    let statistics_move = match trainer.batch_norm {
        BatchNormMode::Frozen | BatchNormMode::RecalibrateOnRetain => false,
        BatchNormMode::Update => backbone.has_batch_norm(),
    };
    let head_only = match trainer.scope {
        Scope::Head => backbone.has_embed(),
        Scope::LastBlock | Scope::All => false,
    };
    head_only && !statistics_move && trainer.augmentation.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finetune::Scope;

    #[test]
    fn the_defaults_are_valid_and_nonsense_is_named_by_field() {
        let refused = |change: &dyn Fn(&mut TrainerSpec)| {
            let mut trainer = TrainerSpec::for_scope(Scope::All);
            change(&mut trainer);
            validate(&trainer).err().map(|error| error.violations[0].field.clone())
        };
        assert_eq!(refused(&|_| {}), None);
        assert_eq!(refused(&|trainer| trainer.batch_size = 1).as_deref(), Some("batch_size"));
        assert_eq!(refused(&|trainer| trainer.epochs = 0).as_deref(), Some("epochs"));
        assert_eq!(refused(&|trainer| trainer.learning_rate = f64::NAN).as_deref(), Some("learning_rate"));
        let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: true };
        assert_eq!(refused(&|trainer| trainer.optimizer = sgd).as_deref(), Some("optimizer.nesterov"));
        let cosine = Schedule::Cosine { minimum: -0.1 };
        assert_eq!(refused(&|trainer| trainer.schedule = cosine).as_deref(), Some("schedule.minimum"));
    }
}
