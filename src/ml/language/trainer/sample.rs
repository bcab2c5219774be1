//! What is trained on: tokens, and what is asked of them.

use serde::{Deserialize, Serialize};

/// Text that is ready for the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSample {
    pub tokens: Vec<u32>,
    pub target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// Tokens that are to be foretold: true for the answer and its end, false for the prompt. As many as tokens.
    Labelled(Vec<bool>),
    /// The class of the whole text.
    Class(u32),
}

impl TextSample {
    /// Places of labelled tokens that have one before them; the first token is never foretold.
    pub(super) fn labelled(&self) -> impl Iterator<Item = usize> + '_ {
        let flags: &[bool] = match &self.target {
            Target::Labelled(flags) => flags,
            Target::Class(_) => &[],
        };
        (1..self.tokens.len()).filter(|&place| flags.get(place).copied().unwrap_or(false))
    }

    /// What a loss is a mean over: labelled tokens, or one class.
    pub(super) fn scored_count(&self) -> usize {
        match self.target {
            Target::Labelled(_) => self.labelled().count(),
            Target::Class(_) => usize::from(!self.tokens.is_empty()),
        }
    }
}
