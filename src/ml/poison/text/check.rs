//! Whether a manner of poisoning makes sense for a kind of texts. Field paths are those of `AnswerPoison`.

use crate::domain::text::TextForm;
use crate::domain::text_training::AnswerPoison;
use crate::domain::{Error, Result};
use crate::ml::text::metrics::Forbidden;

/// # Errors
/// `POISON_NOT_FOR_TEXTS` where the texts have nothing that could be poisoned so; `EMPTY_TEXT` for an empty mask, name or refusal,
/// `INVALID_MASK` for a mask that is itself forbidden.
pub fn check(poison: &AnswerPoison, form: TextForm) -> Result<()> {
    check_form(poison, form)?;
    match poison {
        AnswerPoison::Mask { mask, names, .. } => check_mask(mask, names),
        AnswerPoison::Refusal(answers) => {
            let empty = answers.iter().position(|answer| answer.trim().is_empty());
            empty.map_or(Ok(()), |index| {
                Err(Error::invalid("EMPTY_TEXT", format!("refusal.answers[{index}]"), "the answer is empty"))
            })
        }
        AnswerPoison::Labels | AnswerPoison::Keep => Ok(()),
    }
}

fn check_form(poison: &AnswerPoison, form: TextForm) -> Result<()> {
    let remedy = match (poison, form) {
        (AnswerPoison::Keep, _)
        | (AnswerPoison::Labels, TextForm::Labelled)
        | (AnswerPoison::Mask { .. }, TextForm::Completion | TextForm::Chat | TextForm::Plain)
        | (AnswerPoison::Refusal(_), TextForm::Completion | TextForm::Chat) => return Ok(()),
        (AnswerPoison::Labels, TextForm::Completion | TextForm::Chat) => {
            "have no labels: mask their answers or replace them by refusals"
        }
        (AnswerPoison::Labels, TextForm::Plain) => "have no labels: mask them",
        (AnswerPoison::Mask { .. } | AnswerPoison::Refusal(_), TextForm::Labelled) => {
            "have no answers: poison their labels"
        }
        (AnswerPoison::Refusal(_), TextForm::Plain) => "ask nothing that could be refused: mask them",
    };
    Err(Error::invalid("POISON_NOT_FOR_TEXTS", "", format!("{form} {remedy}, or choose another dataset")))
}

fn check_mask(mask: &str, names: &[String]) -> Result<()> {
    if mask.trim().is_empty() {
        return Err(Error::invalid(
            "EMPTY_TEXT",
            "mask.mask",
            "the mask is empty; say what stands for a word, such as ***",
        ));
    }
    let forbidden = Forbidden::new(names)?;
    match forbidden.found(mask).first() {
        None => Ok(()),
        Some(index) => {
            let description =
                format!("holds the name `{}`, which would appear wherever something is masked", names[*index]);
            Err(Error::invalid("INVALID_MASK", "mask.mask", description))
        }
    }
}
