//! Attribution of an answer, or of the class of a text, to the tokens before it: integrated gradients on their embeddings.

use serde::{Deserialize, Serialize};

use super::attribution::{QuadratureRule, TargetOutput};

/// What the moving tokens are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TextBaseline {
    /// The padding token's embedding, else the end's, else the unknown token's, else zeros.
    #[default]
    Pad,
    Eos,
    /// The mask's, else the unknown token's.
    Mask,
    Zero,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextAttributionOptions {
    pub rule: QuadratureRule,
    /// 1 to 1024.
    pub steps: u32,
    pub baseline: TextBaseline,
    /// Of a classifier; an answer's output is the sum of its log probabilities.
    pub output: TargetOutput,
    /// Rows of one forward pass; 0: chosen by the daemon.
    pub internal_batch_size: u32,
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
    pub baseline: TextBaseline,
    /// Of a classifier.
    pub target: Option<u32>,
}
