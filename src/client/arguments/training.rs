//! What `plan`, `finetune` and `unlearn` have in common: model, data, forget set, poison, trainer, seed.

use clap::Args;

use super::forget::ForgetArgs;
use super::poison::PoisonArgs;
use super::source;
use super::text_tuning::TextTuningArgs;
use super::trainer::TrainerArgs;
use crate::client::error::Result;
use crate::client::names;
use crate::client::session::Session;
use crate::client::words::parser;
use crate::pb::v1::{DataSource, Method, PoisonSpec, TextTuning, TrainerSpec};

#[derive(Debug, Clone, Args)]
pub(crate) struct TrainingArgs {
    /// Model (the version being served), or a version of it: MODEL@VERSION.
    #[arg(long, value_name = "MODEL[@VERSION]", display_order = 0)]
    model: String,
    /// Data to train on, forget set included.
    #[arg(long, value_name = "DATASET[:SPLIT]", value_parser = source, display_order = 1)]
    train: DataSource,
    /// What is done with forget and retain set [default: poison].
    #[arg(long, value_parser = parser::<Method>())]
    method: Option<Method>,
    /// Of data order, augmentation, initialisation, random labels and selections.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    forget: ForgetArgs,
    #[command(flatten)]
    poison: PoisonArgs,
    #[command(flatten)]
    trainer: TrainerArgs,
    #[command(flatten)]
    text: TextTuningArgs,
}

/// How a model of either kind is trained.
#[derive(Debug)]
pub(crate) struct Tuning {
    pub(crate) trainer: Option<TrainerSpec>,
    pub(crate) text: Option<TextTuning>,
}

impl TrainingArgs {
    pub(crate) fn method(&self) -> Method {
        self.method.unwrap_or_default()
    }

    pub(crate) fn poison(&self) -> PoisonSpec {
        PoisonSpec {
            model: names::model(&self.model),
            train: Some(self.train.clone()),
            forget: self.forget.selector(self.seed),
            labels: self.poison.labels.unwrap_or_default().into(),
            donor: self.poison.donor(),
            selection: self.poison.selection(),
            mix: self.poison.mix,
            allow_no_retain: self.poison.allow_no_retain,
            seed: self.seed,
            image_mode: self.poison.image_mode.unwrap_or_default().into(),
            concept_bank: self.poison.concept_bank(),
            top_concepts: self.poison.top_concepts.unwrap_or_default(),
        }
    }

    /// By what the daemon says of the model.
    pub(crate) async fn tuning(&self, session: &Session) -> Result<Tuning> {
        self.tuning_of(session.reads_texts(&names::model(&self.model)).await?)
    }

    pub(crate) fn tuning_of(&self, reads_texts: bool) -> Result<Tuning> {
        if reads_texts {
            let text = self.text.message(self.trainer.common(self.seed)?)?;
            return Ok(Tuning { trainer: None, text: Some(text) });
        }
        self.text.check_unsaid()?;
        Ok(Tuning { trainer: Some(self.trainer.message(self.seed)?), text: None })
    }
}
