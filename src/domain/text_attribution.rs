//! Attribution of an answer, or of the class of a text, to the tokens before it: integrated gradients on their embeddings.

use serde::{Deserialize, Serialize};

use super::attribution::{TargetOutput, TokenAttributionOptions, TokenBaseline};
use super::text::TextForm;

/// Whose embeddings move along the path where words of a dataset are weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MovedSpan {
    /// What an example says before its answer: the text whose class is explained.
    Content,
    /// The answer's own words, as in the token attribution of Concept Inference Unlearning: what of them foretells the rest.
    Answer,
}

impl From<TextForm> for MovedSpan {
    /// Answers are what is to be forgotten of prompts, chats and plain texts; a label has no words, its text has.
    fn from(form: TextForm) -> Self {
        match form {
            TextForm::Labelled => Self::Content,
            TextForm::Completion | TextForm::Chat | TextForm::Plain => Self::Answer,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextAttributionOptions {
    pub tokens: TokenAttributionOptions,
    /// Of a classifier; an answer's output is the sum of its log probabilities.
    pub output: TargetOutput,
}

/// A piece of the text and what it counts for.
#[derive(Debug, Clone, PartialEq)]
pub struct TextShare {
    /// Bytes of the rendered text.
    pub start: u32,
    pub end: u32,
    pub value: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TextAttribution {
    /// What the model saw, the answer included.
    pub rendered: String,
    /// Tokens that moved, in order.
    pub tokens: Vec<TextShare>,
    /// The same, summed over words.
    pub words: Vec<TextShare>,
    pub output: f64,
    pub baseline_output: f64,
    /// `sum(values) - (output - baseline_output)`.
    pub delta: f64,
    pub relative_delta: f64,
    pub converged: bool,
    pub steps: u32,
    /// The one that was there.
    pub baseline: TokenBaseline,
    /// Of a classifier.
    pub target: Option<u32>,
}
