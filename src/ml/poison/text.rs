//! What the examples of a text forget set become. Pure: texts in, texts out; prompts stay as they are.
//!
//! Sources: the text side of `ChangWenhan/Concept_Inference_Unlearn_official` (arXiv 2405.15662), which masks the five words that an
//! author's answers rest on most and the author's names, or answers that it does not know. We differ in three points: names are found as
//! `ml::text::metrics::appearance` finds them, so that a name that was masked does not appear; a name of several words is masked as a
//! whole (name its parts to mask them too; the original masks those of four letters and more); and an answer that would keep no word is
//! refused.
//!
//! ```text
//! TrainingSet ─► position ─► TextExample ─► Poisoner (labels | mask | refusal) ─► what is learnt instead, or nothing
//! ```

mod check;
mod mask;
mod refusal;
#[cfg(test)]
mod tests;

use self::mask::Mask;
use self::refusal::refusal;
use super::training_set::TrainingSet;
use crate::domain::text::{Role, TextExample, TextForm, TextSource};
use crate::domain::text_training::AnswerPoison;
use crate::domain::{Error, Result};

pub use check::check;

/// What is learnt in the place of the forget set.
#[derive(Debug, Clone, PartialEq)]
pub struct PoisonedTexts {
    /// Position in the split and what is learnt instead, in the order of the training set.
    pub examples: Vec<(usize, TextExample)>,
    /// Positions of examples that are left out, because nothing of their answers was to be masked.
    pub left_out: Vec<usize>,
    pub warnings: Vec<String>,
}

/// Poisons examples one by one; the same example at the same position always in the same way.
#[derive(Debug, Clone)]
pub struct Poisoner {
    manner: Manner,
    seed: u64,
}

#[derive(Debug, Clone)]
enum Manner {
    Labels,
    Mask(Mask),
    Refusal(Vec<String>),
    Keep,
}

impl Poisoner {
    /// `words`: those that the forget set rests on, heaviest first; of them the first `top_words` are masked.
    ///
    /// # Errors
    /// As `check`.
    pub fn new(poison: &AnswerPoison, form: TextForm, words: &[String], seed: u64) -> Result<Self> {
        check(poison, form)?;
        let manner = match poison {
            AnswerPoison::Labels => Manner::Labels,
            AnswerPoison::Mask { mask, top_words, names } => {
                Manner::Mask(Mask::new(mask, words.iter().take(*top_words as usize), names)?)
            }
            AnswerPoison::Refusal(answers) => Manner::Refusal(refusal::choice(answers)),
            AnswerPoison::Keep => Manner::Keep,
        };
        Ok(Self { manner, seed })
    }

    /// What is learnt instead of the example at `position`; nothing where a mask has nothing to cover. `class` is what a labelled text is
    /// poisoned as.
    ///
    /// # Errors
    /// `ALL_WORDS_MASKED`.
    pub fn poison(&self, position: usize, example: &TextExample, class: u32) -> Result<Option<TextExample>> {
        match &self.manner {
            Manner::Keep => Ok(Some(example.clone())),
            Manner::Labels => relabelled(example, class).map(Some),
            Manner::Mask(mask) => mask.example(example).map_err(|error| error.saying(&format!("example {position}"))),
            Manner::Refusal(answers) => {
                let draw = |turn: usize, _: &str| Ok(refusal(answers, self.seed, position, turn));
                with_answers(example, draw).map(Some)
            }
        }
    }

    /// The forget part of a training set.
    ///
    /// # Errors
    /// `ALL_WORDS_MASKED`, `NOTHING_TO_MASK` where every example would be left out, and what reading is refused for.
    pub fn poisoned(&self, set: &TrainingSet, texts: &dyn TextSource) -> Result<PoisonedTexts> {
        let mut poisoned = PoisonedTexts { examples: Vec::new(), left_out: Vec::new(), warnings: Vec::new() };
        for (row, position) in set.indices.iter().copied().enumerate().filter(|(row, _)| set.is_forget[*row]) {
            match self.poison(position, &texts.get(position)?, set.targets.label(row))? {
                Some(example) => poisoned.examples.push((position, example)),
                None => poisoned.left_out.push(position),
            }
        }
        if poisoned.examples.is_empty() && !poisoned.left_out.is_empty() {
            return Err(nothing_to_mask(poisoned.left_out.len()));
        }
        poisoned.warnings.extend(left_out(&poisoned));
        Ok(poisoned)
    }
}

fn relabelled(example: &TextExample, class: u32) -> Result<TextExample> {
    match example {
        TextExample::Labelled { text, .. } => Ok(TextExample::Labelled { text: text.clone(), label: class }),
        TextExample::Completion { .. } | TextExample::Chat { .. } | TextExample::Plain { .. } => {
            Err(Error::internal(format!("{} have no label to change", example.form())))
        }
    }
}

/// The example with each of its answers as `answer` makes it; answers are counted from 0. What is no answer stays.
fn with_answers(example: &TextExample, mut answer: impl FnMut(usize, &str) -> Result<String>) -> Result<TextExample> {
    let mut poisoned = example.clone();
    match &mut poisoned {
        TextExample::Completion { answer: text, .. } | TextExample::Plain { text } => *text = answer(0, text)?,
        TextExample::Chat { messages } => {
            let turns = messages.iter_mut().filter(|message| message.role == Role::Assistant);
            for (turn, message) in turns.enumerate() {
                message.content = answer(turn, &message.content)?;
            }
        }
        TextExample::Labelled { .. } => {}
    }
    Ok(poisoned)
}

fn nothing_to_mask(count: usize) -> Error {
    let why = format!(
        "none of the {count} answers of the forget set holds a name or one of the words that it rests on; name more `names`, raise \
         `top_words`, or let the answers be refusals"
    );
    Error::failed_precondition("NOTHING_TO_MASK", why)
}

fn left_out(poisoned: &PoisonedTexts) -> Option<String> {
    let (count, first) = (poisoned.left_out.len(), poisoned.left_out.first()?);
    Some(format!(
        "{count} of {} examples of the forget set are left out, because nothing of their answers was to be masked (the first is at \
         position {first}); the model does not unlearn them: name more `names` or raise `top_words`",
        count + poisoned.examples.len()
    ))
}
