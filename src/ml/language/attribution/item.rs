//! A text to be explained.

use crate::domain::attribution::TokenTarget;
use crate::domain::{Error, Result};
use crate::ml::language::{LanguageConfig, LanguageTask};

#[derive(Debug, Clone, PartialEq)]
pub struct TokenItem {
    pub tokens: Vec<u32>,
    /// Tokens that are moved along the path; special, system and template tokens are not.
    pub movable: Vec<bool>,
    /// Tokens whose log probabilities are explained; none for a classifier.
    pub answer: Vec<bool>,
    pub target: TokenTarget,
}

impl TokenItem {
    /// # Errors
    /// `INVALID_TOKENS` names the list that is wrong; `TARGET_OUT_OF_RANGE`; `TARGET_MISMATCH` where the target is another kind than the
    /// model answers. Tokens themselves are checked where they are embedded.
    pub(super) fn check(&self, config: &LanguageConfig) -> Result<()> {
        let Self { tokens, movable, answer, target } = self;
        if tokens.is_empty() || !movable.contains(&true) {
            return Err(invalid("movable", "names no token of the text; there is nothing to attribute to"));
        }
        if movable.len() != tokens.len() {
            return Err(invalid("movable", "has another length than the text"));
        }
        match (target, config.task()) {
            (TokenTarget::Answer | TokenTarget::EachToken, LanguageTask::Causal) => check_answer(answer, tokens.len()),
            (TokenTarget::Class { class, .. }, LanguageTask::Classify { labels }) => {
                if *class as usize >= labels.len() {
                    let description = format!("class {class} is not in 0..{}", labels.len());
                    return Err(Error::invalid("TARGET_OUT_OF_RANGE", "target", description));
                }
                Ok(())
            }
            (TokenTarget::Answer | TokenTarget::EachToken, LanguageTask::Classify { .. }) => {
                Err(mismatch("an answer is explained of a causal model; name a class of this classifier"))
            }
            (TokenTarget::Class { .. }, LanguageTask::Causal) => {
                Err(mismatch("a class is explained of a classifier; give this model an answer"))
            }
        }
    }

    /// Places of the answer's tokens.
    pub(super) fn answer_places(&self) -> Vec<usize> {
        self.answer.iter().enumerate().filter(|(_, is_answer)| **is_answer).map(|(place, _)| place).collect()
    }
}

fn check_answer(answer: &[bool], length: usize) -> Result<()> {
    if answer.len() != length {
        return Err(invalid("answer", "has another length than the text"));
    }
    if answer.first() == Some(&true) {
        return Err(invalid(
            "answer",
            "begins at the first token, which nothing foretells; put a start token or a prompt before it",
        ));
    }
    if !answer.contains(&true) {
        return Err(invalid("answer", "names no token of the text; there is nothing to explain"));
    }
    Ok(())
}

fn invalid(field: &str, description: &str) -> Error {
    Error::invalid("INVALID_TOKENS", field, description)
}

fn mismatch(description: &str) -> Error {
    Error::invalid("TARGET_MISMATCH", "target", description)
}
