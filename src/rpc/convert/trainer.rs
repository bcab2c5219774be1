//! unlearning.proto: how a model is trained.
//!
//! Fields that are left out take the defaults of `TrainerSpec::for_scope`, so that a stored specification is always complete.

use super::common::precision;
use super::fields::{count, known, number, share, wire_count, within};
use super::optimizer::{schedule_and_warmup, wire_schedule};
use crate::domain::finetune::{Augmentation, BatchNormMode, EarlyStop, Method, Optimizer, Scope, TrainerSpec};
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;

pub(super) const MAX_EPOCHS: u32 = 10_000;
const MAX_BATCH_SIZE: u32 = 65_536;
const MAX_LEARNING_RATE: f64 = 10.0;
const MAX_CROP_PADDING: u32 = 1024;

impl TryFrom<pb::TrainerSpec> for TrainerSpec {
    type Error = Error;

    fn try_from(value: pb::TrainerSpec) -> Result<Self> {
        let pb::TrainerSpec {
            scope: scope_number,
            batch_norm: batch_norm_number,
            optimizer,
            learning_rate,
            weight_decay,
            schedule,
            augmentation,
            precision: precision_number,
            batch_size,
            epochs,
            max_steps,
            checkpoint_every_steps,
            early_stop,
            clip_norm,
            alpha,
            min_retain_accuracy,
            seed,
        } = value;
        let default = Self::for_scope(scope(scope_number)?);
        let (schedule, warmup_steps) = schedule_and_warmup(schedule.unwrap_or_default())?;
        Ok(Self {
            scope: default.scope,
            batch_norm: batch_norm(batch_norm_number)?.unwrap_or(default.batch_norm),
            optimizer: optimizer.map_or(Ok(default.optimizer), Optimizer::try_from)?,
            learning_rate: learning_rate.map_or(Ok(default.learning_rate), positive_rate)?,
            weight_decay: not_negative(weight_decay, "weight_decay")?,
            schedule,
            warmup_steps,
            augmentation: Augmentation::try_from(augmentation.unwrap_or_default())?,
            precision: precision(precision_number, "precision")?,
            batch_size: within(batch_size.unwrap_or(default.batch_size), 1..=MAX_BATCH_SIZE, "batch_size")?,
            epochs: within(epochs.unwrap_or(default.epochs), 1..=MAX_EPOCHS, "epochs")?,
            max_steps: count(max_steps, "max_steps")?,
            checkpoint_every_steps: count(checkpoint_every_steps, "checkpoint_every_steps")?,
            early_stop: early_stop.map(EarlyStop::try_from).transpose()?,
            clip_norm: not_negative(clip_norm, "clip_norm")?,
            alpha: share(alpha.unwrap_or(default.alpha), "alpha")?,
            min_retain_accuracy: share(min_retain_accuracy, "min_retain_accuracy")?,
            seed,
        })
    }
}

impl From<TrainerSpec> for pb::TrainerSpec {
    fn from(value: TrainerSpec) -> Self {
        let TrainerSpec {
            scope,
            batch_norm,
            optimizer,
            learning_rate,
            weight_decay,
            schedule,
            warmup_steps,
            augmentation,
            precision,
            batch_size,
            epochs,
            max_steps,
            checkpoint_every_steps,
            early_stop,
            clip_norm,
            alpha,
            min_retain_accuracy,
            seed,
        } = value;
        Self {
            scope: pb::Scope::from(scope).into(),
            batch_norm: pb::BatchNormMode::from(batch_norm).into(),
            optimizer: Some(optimizer.into()),
            learning_rate: Some(learning_rate),
            weight_decay,
            schedule: Some(wire_schedule(schedule, warmup_steps)),
            augmentation: Some(augmentation.into()),
            precision: pb::Precision::from(precision).into(),
            batch_size: Some(batch_size),
            epochs: Some(epochs),
            max_steps: wire_count(max_steps),
            checkpoint_every_steps: wire_count(checkpoint_every_steps),
            early_stop: early_stop.map(Into::into),
            clip_norm,
            alpha: Some(alpha),
            min_retain_accuracy,
            seed,
        }
    }
}

/// An absent trainer is one with every field left out. A fresh initialisation (RETRAIN) has to move every parameter.
pub(super) fn trainer(value: Option<pb::TrainerSpec>, method: Method) -> Result<TrainerSpec> {
    let mut value = value.unwrap_or_default();
    if method == Method::Retrain {
        value.scope = match value.scope() {
            pb::Scope::Unspecified | pb::Scope::All => pb::Scope::All.into(),
            pb::Scope::Head | pb::Scope::LastBlock => {
                return Err(Error::invalid(
                    "CONFLICTING_FIELDS",
                    "trainer.scope",
                    "must be ALL for the method RETRAIN",
                ));
            }
        };
    }
    TrainerSpec::try_from(value).map_err(|error| error.under("trainer"))
}

pub(super) fn positive_rate(rate: f64) -> Result<f64> {
    number(rate, |rate| rate > 0.0 && rate <= MAX_LEARNING_RATE, "above 0 and at most 10", "learning_rate")
}

pub(super) fn not_negative(value: f64, field: &str) -> Result<f64> {
    number(value, |value| value >= 0.0, "finite and at least 0", field)
}

impl TryFrom<pb::Augmentation> for Augmentation {
    type Error = Error;

    fn try_from(value: pb::Augmentation) -> Result<Self> {
        let pb::Augmentation { crop_padding, horizontal_flip } = value;
        Ok(Self {
            crop_padding: within(crop_padding, 0..=MAX_CROP_PADDING, "augmentation.crop_padding")?,
            horizontal_flip,
        })
    }
}

impl From<Augmentation> for pb::Augmentation {
    fn from(value: Augmentation) -> Self {
        let Augmentation { crop_padding, horizontal_flip } = value;
        Self { crop_padding, horizontal_flip }
    }
}

impl TryFrom<pb::EarlyStop> for EarlyStop {
    type Error = Error;

    fn try_from(value: pb::EarlyStop) -> Result<Self> {
        let pb::EarlyStop { max_forget_accuracy, max_retain_drop } = value;
        Ok(Self {
            max_forget_accuracy: share(max_forget_accuracy, "early_stop.max_forget_accuracy")?,
            max_retain_drop: share(max_retain_drop, "early_stop.max_retain_drop")?,
        })
    }
}

impl From<EarlyStop> for pb::EarlyStop {
    fn from(value: EarlyStop) -> Self {
        let EarlyStop { max_forget_accuracy, max_retain_drop } = value;
        Self { max_forget_accuracy, max_retain_drop }
    }
}

fn scope(number: i32) -> Result<Scope> {
    Ok(match known(number, "scope")? {
        pb::Scope::Unspecified | pb::Scope::Head => Scope::Head,
        pb::Scope::LastBlock => Scope::LastBlock,
        pb::Scope::All => Scope::All,
    })
}

impl From<Scope> for pb::Scope {
    fn from(value: Scope) -> Self {
        match value {
            Scope::Head => Self::Head,
            Scope::LastBlock => Self::LastBlock,
            Scope::All => Self::All,
        }
    }
}

/// `None`: what fits the scope.
fn batch_norm(number: i32) -> Result<Option<BatchNormMode>> {
    Ok(match known(number, "batch_norm")? {
        pb::BatchNormMode::Unspecified => None,
        pb::BatchNormMode::Frozen => Some(BatchNormMode::Frozen),
        pb::BatchNormMode::Update => Some(BatchNormMode::Update),
        pb::BatchNormMode::RecalibrateOnRetain => Some(BatchNormMode::RecalibrateOnRetain),
    })
}

impl From<BatchNormMode> for pb::BatchNormMode {
    fn from(value: BatchNormMode) -> Self {
        match value {
            BatchNormMode::Frozen => Self::Frozen,
            BatchNormMode::Update => Self::Update,
            BatchNormMode::RecalibrateOnRetain => Self::RecalibrateOnRetain,
        }
    }
}

pub(super) fn method(number: i32) -> Result<Method> {
    Ok(match known(number, "method")? {
        // Objectives of language models leave the answers as they are; see `text_objective`.
        pb::Method::Unspecified
        | pb::Method::Poison
        | pb::Method::GradDiff
        | pb::Method::Npo
        | pb::Method::Simnpo
        | pb::Method::Rmu => Method::Poison,
        pb::Method::Train => Method::Train,
        pb::Method::Retrain => Method::Retrain,
        pb::Method::Finetune => Method::Finetune,
        pb::Method::RandomLabel => Method::RandomLabel,
        pb::Method::NegGradPlus => Method::NegGradPlus,
    })
}

impl From<Method> for pb::Method {
    fn from(value: Method) -> Self {
        match value {
            Method::Poison => Self::Poison,
            Method::Train => Self::Train,
            Method::Retrain => Self::Retrain,
            Method::Finetune => Self::Finetune,
            Method::RandomLabel => Self::RandomLabel,
            Method::NegGradPlus => Self::NegGradPlus,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::finetune::Schedule;

    fn violated(value: pb::TrainerSpec) -> String {
        trainer(Some(value), Method::Poison).unwrap_err().violations[0].field.clone()
    }

    #[test]
    fn an_absent_trainer_is_the_papers() {
        assert_eq!(trainer(None, Method::Poison).unwrap(), TrainerSpec::for_scope(Scope::Head));
        let all = pb::TrainerSpec { scope: pb::Scope::All.into(), ..pb::TrainerSpec::default() };
        assert_eq!(trainer(Some(all), Method::Poison).unwrap(), TrainerSpec::for_scope(Scope::All));
    }

    #[test]
    fn what_is_said_survives_the_round_trip() {
        let spec = TrainerSpec {
            batch_norm: BatchNormMode::RecalibrateOnRetain,
            optimizer: Optimizer::AdamW { beta1: 0.8, beta2: 0.99, epsilon: 1e-6 },
            schedule: Schedule::Cosine { minimum: 0.1 },
            warmup_steps: 10,
            augmentation: Augmentation { crop_padding: 4, horizontal_flip: true },
            early_stop: Some(EarlyStop { max_forget_accuracy: 0.01, max_retain_drop: 0.02 }),
            clip_norm: 1.0,
            seed: u64::MAX,
            ..TrainerSpec::for_scope(Scope::LastBlock)
        };
        assert_eq!(TrainerSpec::try_from(pb::TrainerSpec::from(spec.clone())).unwrap(), spec);
    }

    #[test]
    fn figures_out_of_range_are_named() {
        let base = pb::TrainerSpec::default;
        assert_eq!(violated(pb::TrainerSpec { epochs: Some(0), ..base() }), "trainer.epochs");
        assert_eq!(violated(pb::TrainerSpec { batch_size: Some(65_537), ..base() }), "trainer.batch_size");
        assert_eq!(violated(pb::TrainerSpec { learning_rate: Some(0.0), ..base() }), "trainer.learning_rate");
        assert_eq!(violated(pb::TrainerSpec { learning_rate: Some(f64::NAN), ..base() }), "trainer.learning_rate");
        assert_eq!(violated(pb::TrainerSpec { weight_decay: -1e-9, ..base() }), "trainer.weight_decay");
        assert_eq!(violated(pb::TrainerSpec { max_steps: -1, ..base() }), "trainer.max_steps");
        assert_eq!(violated(pb::TrainerSpec { scope: 99, ..base() }), "trainer.scope");
        assert_eq!(
            violated(pb::TrainerSpec { optimizer: Some(pb::Optimizer::default()), ..base() }),
            "trainer.optimizer.kind"
        );
    }

    proptest! {
        /// Whatever the numbers: an error names its field, and what is accepted means the same when it comes back.
        #[test]
        fn accepted_numbers_are_in_range_and_survive(
            learning_rate in any::<Option<f64>>(), weight_decay in any::<f64>(), epochs in any::<Option<u32>>(),
            batch_size in any::<Option<u32>>(), max_steps in any::<i64>(), alpha in any::<Option<f64>>(), scope in -1i32..6,
        ) {
            let value = pb::TrainerSpec {
                scope, learning_rate, weight_decay, epochs, batch_size, max_steps, alpha, ..Default::default()
            };
            match trainer(Some(value), Method::Poison) {
                Err(error) => prop_assert!(error.violations[0].field.starts_with("trainer.")),
                Ok(spec) => {
                    prop_assert!(spec.learning_rate > 0.0 && (1..=MAX_EPOCHS).contains(&spec.epochs));
                    prop_assert_eq!(TrainerSpec::try_from(pb::TrainerSpec::from(spec.clone())).unwrap(), spec);
                }
            }
        }
    }
}
