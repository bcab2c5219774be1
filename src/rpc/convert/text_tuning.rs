//! unlearning.proto: how a language model is trained.

use super::answer_poison::answer_poison;
use super::common::{each, precision, short_text};
use super::fields::{at_most, count, known, number, share, wire_count, within};
use super::text_options::text_options;
use super::trainer::{MAX_EPOCHS, not_negative, positive_rate};
use crate::domain::text_training::{
    LoraSpec, LoraTargets, Objective, TextEarlyStop, TextSchedule, TextTrainerSpec, TextTuning, TrainedParameters,
};
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::text_trainer_spec as wire;

use super::text_goal::text_goal;
use super::text_objective::{objective, wire_objective};

const MAX_BATCH_SIZE: u32 = 1024;
const MAX_RANK: u32 = 1024;
const MAX_TARGETS: usize = 1000;
const ALL_LINEAR: &str = "all-linear";

/// A method that only language models have brings the usual tuning along.
pub(super) fn text_tuning(value: Option<pb::TextTuning>, method: pb::Method) -> Result<Option<TextTuning>> {
    let is_for_texts = match method {
        pb::Method::GradDiff | pb::Method::Npo | pb::Method::Simnpo | pb::Method::Rmu => true,
        pb::Method::Unspecified
        | pb::Method::Poison
        | pb::Method::Train
        | pb::Method::Retrain
        | pb::Method::Finetune
        | pb::Method::RandomLabel
        | pb::Method::NegGradPlus => false,
    };
    if value.is_none() && !is_for_texts {
        return Ok(None);
    }
    let pb::TextTuning { options, trainer, answers, goal } = value.unwrap_or_default();
    let implied = trainer.as_ref().is_none_or(|trainer| trainer.parameters.is_none());
    let trainer = text_trainer(trainer.unwrap_or_default(), method).map_err(|error| error.under("text.trainer"))?;
    let answers = answer_poison(answers).map_err(|error| error.under("text.answers"))?;
    let goal = goal.map(text_goal).transpose().map_err(|error| error.under("text.goal"))?;
    Ok(Some(TextTuning { options: text_options(options, "text.options")?, trainer, answers, goal, implied }))
}

fn text_trainer(value: pb::TextTrainerSpec, method: pb::Method) -> Result<TextTrainerSpec> {
    let pb::TextTrainerSpec {
        learning_rate,
        schedule: schedule_number,
        warmup_ratio,
        weight_decay,
        clip_norm,
        precision: precision_number,
        batch_size,
        accumulation,
        epochs,
        max_steps,
        checkpoint_every_steps,
        gradient_checkpointing,
        retain_ratio,
        objective: numbers,
        early_stop,
        seed,
        parameters,
    } = value;
    let usual = TextTrainerSpec::default();
    Ok(TextTrainerSpec {
        parameters: trained(parameters)?,
        objective: objective(numbers, method)?,
        learning_rate: learning_rate.map_or(Ok(usual.learning_rate), positive_rate)?,
        schedule: schedule(schedule_number)?,
        warmup_ratio: share(warmup_ratio.unwrap_or(usual.warmup_ratio), "warmup_ratio")?,
        weight_decay: not_negative(weight_decay, "weight_decay")?,
        clip_norm: not_negative(clip_norm.unwrap_or(usual.clip_norm), "clip_norm")?,
        precision: precision(precision_number, "precision")?,
        batch_size: within(batch_size.unwrap_or(usual.batch_size), 1..=MAX_BATCH_SIZE, "batch_size")?,
        accumulation: within(accumulation.max(1), 1..=MAX_BATCH_SIZE, "accumulation")?,
        epochs: within(epochs.unwrap_or(usual.epochs), 1..=MAX_EPOCHS, "epochs")?,
        max_steps: count(max_steps, "max_steps")?,
        checkpoint_every_steps: checkpoint_every_steps
            .map_or(Ok(usual.checkpoint_every_steps), |steps| count(steps, "checkpoint_every_steps"))?,
        gradient_checkpointing,
        retain_ratio: not_negative(retain_ratio.unwrap_or(usual.retain_ratio), "retain_ratio")?,
        early_stop: early_stop.map(stop).transpose()?.flatten(),
        seed,
    })
}

/// An adapter of the usual size where nothing is said.
fn trained(value: Option<wire::Parameters>) -> Result<TrainedParameters> {
    let lora =
        |spec| LoraSpec::try_from(spec).map(TrainedParameters::Adapter).map_err(|error: Error| error.under("lora"));
    match value {
        Some(wire::Parameters::Lora(spec)) => lora(spec),
        Some(wire::Parameters::All(true)) => Ok(TrainedParameters::All),
        Some(wire::Parameters::All(false)) | None => lora(pb::LoraSpec::default()),
    }
}

impl TryFrom<pb::LoraSpec> for LoraSpec {
    type Error = Error;

    fn try_from(value: pb::LoraSpec) -> Result<Self> {
        let pb::LoraSpec { rank, alpha, dropout, target_modules, rank_stabilised } = value;
        let usual = Self::default();
        at_most(target_modules.len(), MAX_TARGETS, "target_modules")?;
        Ok(Self {
            rank: within(rank.unwrap_or(usual.rank), 1..=MAX_RANK, "rank")?,
            alpha: number(alpha.unwrap_or(usual.alpha), |alpha| alpha > 0.0, "above 0", "alpha")?,
            dropout: number(
                dropout.unwrap_or(usual.dropout),
                |dropout| (0.0..1.0).contains(&dropout),
                "from 0 to below 1",
                "dropout",
            )?,
            targets: targets(target_modules)?,
            rank_stabilised,
        })
    }
}

impl From<LoraSpec> for pb::LoraSpec {
    fn from(value: LoraSpec) -> Self {
        let LoraSpec { rank, alpha, dropout, targets, rank_stabilised } = value;
        let target_modules = match targets {
            LoraTargets::Usual => Vec::new(),
            LoraTargets::AllLinear => vec![ALL_LINEAR.to_owned()],
            LoraTargets::Named(names) => names,
        };
        Self { rank: Some(rank), alpha: Some(alpha), dropout: Some(dropout), target_modules, rank_stabilised }
    }
}

fn targets(names: Vec<String>) -> Result<LoraTargets> {
    let names = each(names, "target_modules", |name| short_text(name, ""))?;
    Ok(match names.as_slice() {
        [] => LoraTargets::Usual,
        [only] if only == ALL_LINEAR => LoraTargets::AllLinear,
        _ => LoraTargets::Named(names),
    })
}

fn schedule(number: i32) -> Result<TextSchedule> {
    Ok(match known(number, "schedule")? {
        wire::Schedule::Unspecified | wire::Schedule::Cosine => TextSchedule::Cosine,
        wire::Schedule::Constant => TextSchedule::Constant,
        wire::Schedule::Linear => TextSchedule::Linear,
    })
}

fn stop(value: wire::EarlyStop) -> Result<Option<TextEarlyStop>> {
    use wire::early_stop::Goal;
    let wire::EarlyStop { goal } = value;
    let finite = |value, field| number(value, |_| true, "a finite number", field);
    goal.map(|goal| {
        Ok(match goal {
            Goal::LossAtMost(loss) => TextEarlyStop::LossAtMost(finite(loss, "early_stop.loss_at_most")?),
            Goal::ForgetLossAtLeast(loss) => {
                TextEarlyStop::ForgetLossAtLeast(finite(loss, "early_stop.forget_loss_at_least")?)
            }
        })
    })
    .transpose()
}

impl From<TextTuning> for pb::TextTuning {
    fn from(value: TextTuning) -> Self {
        let TextTuning { options, trainer, answers, goal, implied: _ } = value;
        let (answers, goal) = (answers.map(Into::into), goal.map(Into::into));
        Self { options: Some(options.into()), trainer: Some(trainer.into()), answers, goal }
    }
}

impl From<TextTrainerSpec> for pb::TextTrainerSpec {
    fn from(value: TextTrainerSpec) -> Self {
        let TextTrainerSpec {
            parameters,
            objective,
            learning_rate,
            schedule,
            warmup_ratio,
            weight_decay,
            clip_norm,
            precision,
            batch_size,
            accumulation,
            epochs,
            max_steps,
            checkpoint_every_steps,
            gradient_checkpointing,
            retain_ratio,
            early_stop,
            seed,
        } = value;
        Self {
            parameters: Some(wire_parameters(parameters)),
            objective: wire_objective(objective),
            learning_rate: Some(learning_rate),
            schedule: wire_schedule(schedule).into(),
            warmup_ratio: Some(warmup_ratio),
            weight_decay,
            clip_norm: Some(clip_norm),
            precision: pb::Precision::from(precision).into(),
            batch_size: Some(batch_size),
            accumulation,
            epochs: Some(epochs),
            max_steps: wire_count(max_steps),
            checkpoint_every_steps: Some(wire_count(checkpoint_every_steps)),
            gradient_checkpointing,
            retain_ratio: Some(retain_ratio),
            early_stop: early_stop.map(wire_stop),
            seed,
        }
    }
}

fn wire_parameters(value: TrainedParameters) -> wire::Parameters {
    match value {
        TrainedParameters::Adapter(lora) => wire::Parameters::Lora(lora.into()),
        TrainedParameters::All => wire::Parameters::All(true),
    }
}

fn wire_schedule(value: TextSchedule) -> wire::Schedule {
    match value {
        TextSchedule::Constant => wire::Schedule::Constant,
        TextSchedule::Linear => wire::Schedule::Linear,
        TextSchedule::Cosine => wire::Schedule::Cosine,
    }
}

fn wire_stop(value: TextEarlyStop) -> wire::EarlyStop {
    use wire::early_stop::Goal;
    let goal = match value {
        TextEarlyStop::LossAtMost(loss) => Goal::LossAtMost(loss),
        TextEarlyStop::ForgetLossAtLeast(loss) => Goal::ForgetLossAtLeast(loss),
    };
    wire::EarlyStop { goal: Some(goal) }
}

/// The method that a request of this objective names; plain ones are named by themselves.
pub(super) fn method_of(objective: Objective) -> Option<pb::Method> {
    match objective {
        Objective::Supervised => None,
        Objective::GradDiff { .. } => Some(pb::Method::GradDiff),
        Objective::Npo { .. } => Some(pb::Method::Npo),
        Objective::SimNpo { .. } => Some(pb::Method::Simnpo),
        Objective::Rmu { .. } => Some(pb::Method::Rmu),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(trainer: pb::TextTrainerSpec, method: pb::Method) -> Result<TextTrainerSpec> {
        let tuning = pb::TextTuning { trainer: Some(trainer), ..Default::default() };
        text_tuning(Some(tuning), method).map(|tuning| tuning.unwrap().trainer)
    }

    #[test]
    fn what_is_left_out_is_the_papers() {
        let trainer = read(pb::TextTrainerSpec::default(), pb::Method::Poison).unwrap();
        assert_eq!(trainer, TextTrainerSpec::default());
        assert!(text_tuning(None, pb::Method::Poison).unwrap().is_none());
    }

    #[test]
    fn methods_of_language_models_need_no_more_words() {
        for method in [pb::Method::GradDiff, pb::Method::Npo, pb::Method::Simnpo, pb::Method::Rmu] {
            let trainer = text_tuning(None, method).unwrap().unwrap().trainer;
            assert_eq!(method_of(trainer.objective), Some(method));
            assert_eq!(read(trainer.clone().into(), method).unwrap(), trainer);
        }
    }

    #[test]
    fn wrong_numbers_are_named() {
        let field = |trainer| read(trainer, pb::Method::Npo).unwrap_err().violations[0].field.clone();
        let lora = |spec| Some(wire::Parameters::Lora(spec));
        let usual = pb::TextTrainerSpec::default;
        let parameters = lora(pb::LoraSpec { rank: Some(0), ..Default::default() });
        assert_eq!(field(pb::TextTrainerSpec { parameters, ..usual() }), "text.trainer.lora.rank");
        let parameters = lora(pb::LoraSpec { dropout: Some(1.0), ..Default::default() });
        assert_eq!(field(pb::TextTrainerSpec { parameters, ..usual() }), "text.trainer.lora.dropout");
        assert_eq!(field(pb::TextTrainerSpec { batch_size: Some(0), ..usual() }), "text.trainer.batch_size");
        let objective = Some(wire::Objective { beta: Some(0.0), ..Default::default() });
        assert_eq!(field(pb::TextTrainerSpec { objective, ..usual() }), "text.trainer.objective.beta");
    }
}
