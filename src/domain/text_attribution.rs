//! Attribution of an answer, or of the class of a text, to the tokens before it: integrated gradients on their embeddings.

use serde::{Deserialize, Serialize};

use super::attribution::{TargetOutput, TokenAttributionOptions, TokenBaseline};

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
