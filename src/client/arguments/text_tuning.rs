//! How a language model is trained, beside the flags that it has in common with models of images.

use clap::Args;

use super::answers::AnswerArgs;
use super::goal::GoalArgs;
use super::text_options::TextOptionArgs;
use crate::client::error::{Error, Result};
use crate::pb::v1::text_trainer_spec::{EarlyStop, Objective, Parameters, early_stop::Goal};
use crate::pb::v1::{LoraSpec, TextTrainerSpec, TextTuning};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Training (language models)")]
pub(crate) struct TextTuningArgs {
    /// Rank of the adapter [default: 8].
    #[arg(long, value_name = "N")]
    lora_rank: Option<u32>,
    /// Scale of the adapter: it is multiplied by this over its rank [default: 16].
    #[arg(long, value_name = "X")]
    lora_alpha: Option<f64>,
    /// Share of the adapter's inputs left out while training [default: 0.05].
    #[arg(long, value_name = "SHARE")]
    lora_dropout: Option<f64>,
    /// Layers that get an adapter, by the end of their path, or all-linear [default: queries and values].
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    lora_targets: Vec<String>,
    /// Train every weight instead of an adapter.
    #[arg(long)]
    all_parameters: bool,
    /// Batches of one optimiser step [default: 1].
    #[arg(long, value_name = "N")]
    accumulation: Option<u32>,
    /// Share of all steps over which the rate rises from 0 [default: 0.03].
    #[arg(long, value_name = "SHARE")]
    warmup_ratio: Option<f64>,
    /// Retained examples in an epoch for each forgotten one [default: 1].
    #[arg(long, value_name = "X")]
    retain_ratio: Option<f64>,
    /// Compute activations again instead of keeping them: less memory, a third slower.
    #[arg(long)]
    gradient_checkpointing: bool,
    /// Stop after an epoch whose mean loss is at most this.
    #[arg(long, value_name = "LOSS")]
    stop_at_loss: Option<f64>,
    /// Stop after an epoch in which the forget set's mean loss is at least this.
    #[arg(long, value_name = "LOSS", conflicts_with = "stop_at_loss")]
    stop_at_forget_loss: Option<f64>,
    /// npo, simnpo: sharpness of the preference.
    #[arg(long, value_name = "X")]
    beta: Option<f64>,
    /// grad-diff, npo, simnpo, rmu: weight of the forget loss [default: 1].
    #[arg(long, value_name = "X")]
    gamma: Option<f64>,
    /// rmu: block that is steered [default: a third of the way up].
    #[arg(long, value_name = "N")]
    layer: Option<u32>,
    #[command(flatten)]
    goal: GoalArgs,
    #[command(flatten)]
    answers: AnswerArgs,
    #[command(flatten)]
    options: TextOptionArgs,
}

/// What the flags of all models say.
#[derive(Debug, Default)]
pub(super) struct Common {
    pub(super) learning_rate: Option<f64>,
    pub(super) schedule: i32,
    pub(super) weight_decay: f64,
    pub(super) clip_norm: Option<f64>,
    pub(super) precision: i32,
    pub(super) batch_size: Option<u32>,
    pub(super) epochs: Option<u32>,
    pub(super) max_steps: i64,
    pub(super) checkpoint_every_steps: Option<i64>,
    pub(super) alpha: Option<f64>,
    pub(super) seed: u64,
}

impl TextTuningArgs {
    /// A flag that only language models have, if one was said.
    pub(super) fn check_unsaid(&self) -> Result<()> {
        let said = self.message(Common::default())?
            != TextTuning { trainer: Some(TextTrainerSpec::default()), ..TextTuning::default() };
        match said {
            true => {
                Err(Error::Usage("the model takes images; leave out the flags under `(language models)`".to_owned()))
            }
            false => Ok(()),
        }
    }

    pub(super) fn message(&self, common: Common) -> Result<TextTuning> {
        let Common {
            learning_rate,
            schedule,
            weight_decay,
            clip_norm,
            precision,
            batch_size,
            epochs,
            max_steps,
            checkpoint_every_steps,
            alpha,
            seed,
        } = common;
        let trainer = TextTrainerSpec {
            parameters: self.parameters()?,
            learning_rate,
            schedule,
            warmup_ratio: self.warmup_ratio,
            weight_decay,
            clip_norm,
            precision,
            batch_size,
            accumulation: self.accumulation.unwrap_or_default(),
            epochs,
            max_steps,
            checkpoint_every_steps,
            gradient_checkpointing: self.gradient_checkpointing,
            retain_ratio: self.retain_ratio,
            objective: self.objective(alpha),
            early_stop: self.early_stop(),
            seed,
        };
        Ok(TextTuning {
            options: self.options.message(),
            trainer: Some(trainer),
            answers: self.answers.message(),
            goal: self.goal.message(),
        })
    }

    fn parameters(&self) -> Result<Option<Parameters>> {
        let lora = LoraSpec {
            rank: self.lora_rank,
            alpha: self.lora_alpha,
            dropout: self.lora_dropout,
            target_modules: self.lora_targets.clone(),
            rank_stabilised: false,
        };
        let is_said = lora != LoraSpec::default();
        match (self.all_parameters, is_said) {
            (true, true) => {
                Err(Error::Usage("--all-parameters trains no adapter; leave out the flags --lora-*".to_owned()))
            }
            (true, false) => Ok(Some(Parameters::All(true))),
            (false, is_said) => Ok(is_said.then_some(Parameters::Lora(lora))),
        }
    }

    fn objective(&self, alpha: Option<f64>) -> Option<Objective> {
        let objective =
            Objective { gamma: self.gamma, alpha, beta: self.beta, layer: self.layer, ..Objective::default() };
        (objective != Objective::default()).then_some(objective)
    }

    fn early_stop(&self) -> Option<EarlyStop> {
        let goal = self.stop_at_loss.map(Goal::LossAtMost);
        let goal = goal.or_else(|| self.stop_at_forget_loss.map(Goal::ForgetLossAtLeast));
        goal.map(|goal| EarlyStop { goal: Some(goal) })
    }
}
