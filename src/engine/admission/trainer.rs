//! Ranges of the trainer's numbers.

use crate::domain::finetune::{Optimizer, Schedule, TrainerSpec};
use crate::domain::{Error, Result};

const MAX_BATCH_SIZE: u32 = 65_536;
const MAX_EPOCHS: u32 = 10_000;
const MAX_CROP_PADDING: u32 = 256;

/// Refuses the first number that makes no sense; paths are relative to the trainer.
pub(super) fn check(trainer: &TrainerSpec) -> Result<()> {
    let TrainerSpec {
        scope: _,
        batch_norm: _,
        optimizer,
        learning_rate,
        weight_decay,
        schedule,
        warmup_steps: _,
        augmentation,
        precision: _,
        batch_size,
        epochs,
        max_steps: _,
        checkpoint_every_steps: _,
        early_stop,
        clip_norm,
        alpha,
        min_retain_accuracy,
        seed: _,
    } = trainer;
    within("batch_size", f64::from(*batch_size), 1.0, f64::from(MAX_BATCH_SIZE))?;
    within("epochs", f64::from(*epochs), 1.0, f64::from(MAX_EPOCHS))?;
    positive("learning_rate", *learning_rate)?;
    at_least_zero("weight_decay", *weight_decay)?;
    at_least_zero("clip_norm", *clip_norm)?;
    within("alpha", *alpha, 0.0, 1.0)?;
    within("min_retain_accuracy", *min_retain_accuracy, 0.0, 1.0)?;
    within("augmentation.crop_padding", f64::from(augmentation.crop_padding), 0.0, f64::from(MAX_CROP_PADDING))?;
    check_optimizer(optimizer)?;
    check_schedule(schedule)?;
    if let Some(stop) = early_stop {
        within("early_stop.max_forget_accuracy", stop.max_forget_accuracy, 0.0, 1.0)?;
        within("early_stop.max_retain_drop", stop.max_retain_drop, 0.0, 1.0)?;
    }
    Ok(())
}

fn check_optimizer(optimizer: &Optimizer) -> Result<()> {
    match optimizer {
        Optimizer::Sgd { momentum, nesterov } => {
            below_one("optimizer.sgd.momentum", *momentum)?;
            if *nesterov && *momentum == 0.0 {
                return Err(out_of_range("optimizer.sgd.nesterov", "needs a momentum above 0".into()));
            }
            Ok(())
        }
        Optimizer::AdamW { beta1, beta2, epsilon } => {
            below_one("optimizer.adamw.beta1", *beta1)?;
            below_one("optimizer.adamw.beta2", *beta2)?;
            positive("optimizer.adamw.epsilon", *epsilon)
        }
    }
}

fn check_schedule(schedule: &Schedule) -> Result<()> {
    match schedule {
        Schedule::Constant => Ok(()),
        Schedule::Step { every_epochs, gamma } => {
            within("schedule.step.every_epochs", f64::from(*every_epochs), 1.0, f64::from(MAX_EPOCHS))?;
            positive("schedule.step.gamma", *gamma)
        }
        Schedule::Cosine { minimum } => within("schedule.cosine.minimum", *minimum, 0.0, 1.0),
    }
}

fn within(field: &str, value: f64, low: f64, high: f64) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(out_of_range(field, format!("{value} is not from {low} to {high}")))
}

fn positive(field: &str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(out_of_range(field, format!("{value} is not a finite number above 0")))
}

fn at_least_zero(field: &str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(out_of_range(field, format!("{value} is not a finite number from 0")))
}

fn below_one(field: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(out_of_range(field, format!("{value} is not from 0 to below 1")))
}

fn out_of_range(field: &str, description: String) -> Error {
    Error::invalid("OUT_OF_RANGE", field, description)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finetune::Scope;

    fn refused(change: impl Fn(&mut TrainerSpec)) -> String {
        let mut trainer = TrainerSpec::for_scope(Scope::Head);
        change(&mut trainer);
        check(&trainer).unwrap_err().violations[0].field.clone()
    }

    #[test]
    fn the_defaults_are_accepted() {
        for scope in [Scope::Head, Scope::LastBlock, Scope::All] {
            check(&TrainerSpec::for_scope(scope)).unwrap();
        }
    }

    #[test]
    fn senseless_numbers_are_refused_by_name() {
        assert_eq!(refused(|trainer| trainer.batch_size = 0), "batch_size");
        assert_eq!(refused(|trainer| trainer.epochs = 10_001), "epochs");
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(refused(|trainer| trainer.learning_rate = rate), "learning_rate");
        }
        let momentum =
            |trainer: &mut TrainerSpec| trainer.optimizer = Optimizer::Sgd { momentum: 1.0, nesterov: false };
        assert_eq!(refused(momentum), "optimizer.sgd.momentum");
        assert_eq!(
            refused(|trainer| trainer.schedule = Schedule::Cosine { minimum: f64::NAN }),
            "schedule.cosine.minimum"
        );
    }
}
