//! unlearning.proto: what the answers of poisoned texts become.

use super::common::{each, short_text, words};
use super::fields::{at_most, required_text, within};
use crate::domain::text_training::AnswerPoison;
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::answer_poison::{Keep, Manner, Mask, Refusal};

const MAX_TEXTS: usize = 1000;
const MAX_TOP_WORDS: u32 = 1000;
const MAX_ANSWER_BYTES: usize = 16 << 10;

/// Nothing where no manner is stated.
pub(super) fn answer_poison(value: Option<pb::AnswerPoison>) -> Result<Option<AnswerPoison>> {
    let Some(manner) = value.and_then(|value| value.manner) else { return Ok(None) };
    Ok(Some(match manner {
        Manner::Mask(mask) => masked(mask).map_err(|error| error.under("mask"))?,
        Manner::Refusal(Refusal { answers }) => {
            at_most(answers.len(), MAX_TEXTS, "refusal.answers")?;
            AnswerPoison::Refusal(each(answers, "refusal.answers", answer)?)
        }
        Manner::Keep(Keep {}) => AnswerPoison::Keep,
    }))
}

fn masked(value: Mask) -> Result<AnswerPoison> {
    let Mask { mask, top_words, names } = value;
    at_most(names.len(), MAX_TEXTS, "names")?;
    let mask = if mask.is_empty() { AnswerPoison::USUAL_MASK.to_owned() } else { short_text(mask, "mask")? };
    let top_words = top_words.unwrap_or(AnswerPoison::USUAL_TOP_WORDS);
    Ok(AnswerPoison::Mask {
        mask,
        top_words: within(top_words, 0..=MAX_TOP_WORDS, "top_words")?,
        names: each(names, "names", |name| words(name, ""))?,
    })
}

fn answer(text: String) -> Result<String> {
    if text.len() <= MAX_ANSWER_BYTES {
        return required_text(text, "");
    }
    let description = format!("has {} bytes; {MAX_ANSWER_BYTES} are allowed", text.len());
    Err(Error::invalid("TEXT_TOO_LONG", "", description))
}

impl From<AnswerPoison> for pb::AnswerPoison {
    fn from(value: AnswerPoison) -> Self {
        let manner = match value {
            AnswerPoison::Labels => None,
            AnswerPoison::Mask { mask, top_words, names } => {
                Some(Manner::Mask(Mask { mask, top_words: Some(top_words), names }))
            }
            AnswerPoison::Refusal(answers) => Some(Manner::Refusal(Refusal { answers })),
            AnswerPoison::Keep => Some(Manner::Keep(Keep {})),
        };
        Self { manner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_the_papers() {
        let mask = pb::AnswerPoison { manner: Some(Manner::Mask(Mask::default())) };
        assert_eq!(answer_poison(Some(mask)).unwrap(), Some(AnswerPoison::mask(Vec::new())));
        assert_eq!(answer_poison(Some(pb::AnswerPoison::default())).unwrap(), None);
    }

    #[test]
    fn wrong_texts_are_named() {
        let field = |manner| {
            let error = answer_poison(Some(pb::AnswerPoison { manner: Some(manner) })).unwrap_err();
            error.violations[0].field.clone()
        };
        let names = vec!["a".to_owned(), String::new()];
        assert_eq!(field(Manner::Mask(Mask { names, ..Mask::default() })), "mask.names[1]");
        assert_eq!(field(Manner::Refusal(Refusal { answers: vec![String::new()] })), "refusal.answers[0]");
    }
}
