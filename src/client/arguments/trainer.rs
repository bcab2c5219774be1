//! How a model is trained. What is not said is left to the daemon, whose defaults are those of the paper's code.

use clap::Args;

use super::optimizer::OptimizerArgs;
use super::schedule::{augmentation, early_stop, schedule};
use super::text_tuning::Common;
use crate::client::error::{Error, Result};
use crate::client::words::parser;
use crate::pb::v1::schedule::Kind as ScheduleKind;
use crate::pb::v1::text_trainer_spec::Schedule as TextSchedule;
use crate::pb::v1::{Augmentation, BatchNormMode, EarlyStop, Precision, Schedule, Scope, TrainerSpec};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct TrainerArgs {
    /// Which parameters move [default: head].
    #[arg(long, value_parser = parser::<Scope>())]
    scope: Option<Scope>,
    /// Epochs [default: 20, of language models 10].
    #[arg(long)]
    epochs: Option<u32>,
    /// Samples a step [default: 32, of language models 2].
    #[arg(long)]
    batch_size: Option<u32>,
    /// Learning rate [default: 0.001, of language models 2e-5].
    #[arg(long)]
    lr: Option<f64>,
    #[command(flatten)]
    optimizer: OptimizerArgs,
    /// Weight decay [default: 0].
    #[arg(long)]
    weight_decay: Option<f64>,
    /// Learning rate over the run [default: constant].
    #[arg(long, value_name = "constant|step:EPOCHS:GAMMA|cosine[:MIN]", value_parser = ScheduleFlag::parse)]
    schedule: Option<ScheduleFlag>,
    /// Steps of linear warm-up.
    #[arg(long, value_name = "STEPS")]
    warmup: Option<i64>,
    /// Augmentation, by sample and epoch [default: none].
    #[arg(long, value_name = "none|flip,crop[:PADDING]", value_parser = augmentation)]
    augment: Option<Augmentation>,
    /// Arithmetic of the passes [default: f32].
    #[arg(long, value_parser = parser::<Precision>())]
    precision: Option<Precision>,
    /// BatchNorm's running statistics [default: frozen for scope head, else update].
    #[arg(long, value_parser = parser::<BatchNormMode>())]
    bn: Option<BatchNormMode>,
    /// Stop after this many steps although epochs are left.
    #[arg(long, value_name = "N")]
    max_steps: Option<i64>,
    /// Save a checkpoint every so many steps [default: at the end of each epoch].
    #[arg(long, value_name = "STEPS")]
    checkpoint_every: Option<i64>,
    /// Stop after an epoch with at most this forget accuracy and at most this drop of retain accuracy (shares).
    #[arg(long, value_name = "ACCURACY[:DROP]", value_parser = early_stop)]
    early_stop: Option<EarlyStop>,
    /// Largest norm of the gradient.
    #[arg(long, value_name = "NORM")]
    clip_norm: Option<f64>,
    /// neg-grad-plus and the methods of language models: weight of the retain loss [default: 0.95, of language models 1].
    #[arg(long)]
    alpha: Option<f64>,
    /// Flag the result when retained train accuracy falls below this share.
    #[arg(long, value_name = "SHARE")]
    min_retain_accuracy: Option<f64>,
}

/// A schedule as given on the command line; constant is a choice too.
#[derive(Debug, Clone, Copy)]
struct ScheduleFlag(Option<ScheduleKind>);

impl ScheduleFlag {
    fn parse(text: &str) -> std::result::Result<Self, String> {
        schedule(text).map(Self)
    }
}

impl TrainerArgs {
    pub(super) fn message(&self, seed: u64) -> Result<TrainerSpec> {
        Ok(TrainerSpec {
            scope: self.scope.unwrap_or_default().into(),
            batch_norm: self.bn.unwrap_or_default().into(),
            optimizer: self.optimizer.message()?,
            learning_rate: self.lr,
            weight_decay: self.weight_decay.unwrap_or_default(),
            schedule: self.schedule(),
            augmentation: self.augment,
            precision: self.precision.unwrap_or_default().into(),
            batch_size: self.batch_size,
            epochs: self.epochs,
            max_steps: self.max_steps.unwrap_or_default(),
            checkpoint_every_steps: self.checkpoint_every.unwrap_or_default(),
            early_stop: self.early_stop,
            clip_norm: self.clip_norm.unwrap_or_default(),
            alpha: self.alpha,
            min_retain_accuracy: self.min_retain_accuracy.unwrap_or_default(),
            seed,
        })
    }

    /// What a language model has in common with models of images.
    ///
    /// # Errors
    /// Names a flag that is for images alone.
    pub(super) fn common(&self, seed: u64) -> Result<Common> {
        let of_images = [
            ("--scope", self.scope.is_some()),
            ("--augment", self.augment.is_some()),
            ("--bn", self.bn.is_some()),
            ("--warmup", self.warmup.is_some()),
            ("--early-stop", self.early_stop.is_some()),
            ("--min-retain-accuracy", self.min_retain_accuracy.is_some()),
            ("--optimizer and its flags", self.optimizer.message()?.is_some()),
        ];
        if let Some((flag, _)) = of_images.into_iter().find(|(_, is_said)| *is_said) {
            return Err(Error::Usage(format!("the model reads texts; {flag} is for models of images")));
        }
        Ok(Common {
            learning_rate: self.lr,
            schedule: self.text_schedule()?.into(),
            weight_decay: self.weight_decay.unwrap_or_default(),
            clip_norm: self.clip_norm,
            precision: self.precision.unwrap_or_default().into(),
            batch_size: self.batch_size,
            epochs: self.epochs,
            max_steps: self.max_steps.unwrap_or_default(),
            checkpoint_every_steps: self.checkpoint_every,
            alpha: self.alpha,
            seed,
        })
    }

    fn text_schedule(&self) -> Result<TextSchedule> {
        match self.schedule {
            None => Ok(TextSchedule::Unspecified),
            Some(ScheduleFlag(None)) => Ok(TextSchedule::Constant),
            Some(ScheduleFlag(Some(ScheduleKind::Cosine(_)))) => Ok(TextSchedule::Cosine),
            Some(ScheduleFlag(Some(ScheduleKind::Step(_)))) => {
                Err(Error::Usage("the model reads texts; --schedule is constant or cosine".to_owned()))
            }
        }
    }

    fn schedule(&self) -> Option<Schedule> {
        let kind = self.schedule.and_then(|flag| flag.0);
        let warmup_steps = self.warmup.unwrap_or_default();
        (kind.is_some() || warmup_steps != 0).then_some(Schedule { kind, warmup_steps })
    }
}
