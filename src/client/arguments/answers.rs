//! What the answers of a language model's forget set become.

use clap::{Args, ValueEnum};

use crate::pb::v1::AnswerPoison;
use crate::pb::v1::answer_poison::{Keep, Manner, Mask, Refusal};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Mask,
    Refusal,
    Keep,
}

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Poison (language models)")]
pub(crate) struct AnswerArgs {
    /// What answers become [default: labels of labelled texts change, answers of others are masked].
    #[arg(long)]
    answers: Option<Kind>,
    /// Mask these names too; may be repeated.
    #[arg(long, value_name = "NAME")]
    mask_name: Vec<String>,
    /// Words masked, of those that the forget set rests on most [default: 5].
    #[arg(long, value_name = "N")]
    mask_words: Option<u32>,
    /// What stands in the place of a word [default: ***].
    #[arg(long, value_name = "TEXT")]
    mask: Option<String>,
    /// Answers that know nothing, instead of the built-in ones; may be repeated.
    #[arg(long, value_name = "TEXT")]
    refusal: Vec<String>,
}

impl AnswerArgs {
    /// None where nothing was said; the flags of a manner choose it.
    pub(super) fn message(&self) -> Option<AnswerPoison> {
        let masks = !self.mask_name.is_empty() || self.mask_words.is_some() || self.mask.is_some();
        let kind = self.answers.or_else(|| masks.then_some(Kind::Mask));
        let kind = kind.or_else(|| (!self.refusal.is_empty()).then_some(Kind::Refusal))?;
        let manner = match kind {
            Kind::Mask => Manner::Mask(Mask {
                mask: self.mask.clone().unwrap_or_default(),
                top_words: self.mask_words,
                names: self.mask_name.clone(),
            }),
            Kind::Refusal => Manner::Refusal(Refusal { answers: self.refusal.clone() }),
            Kind::Keep => Manner::Keep(Keep {}),
        };
        Some(AnswerPoison { manner: Some(manner) })
    }
}
