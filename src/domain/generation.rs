//! What a language model writes.

use serde::{Deserialize, Serialize};

use super::text::ChatMessage;

/// What a language model is given.
#[derive(Debug, Clone, PartialEq)]
pub enum TextInput {
    /// Taken as it is.
    Text(String),
    /// Rendered by the model's chat template.
    Conversation(Vec<ChatMessage>),
}

/// How the next token is chosen, and where to end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenerationOptions {
    /// At least 1.
    pub max_tokens: u32,
    /// 0: the likeliest token each time.
    pub temperature: f64,
    /// Among this many likeliest; 0: all.
    pub top_k: u32,
    /// Among the likeliest that together have this probability, in (0, 1].
    pub top_p: f64,
    pub seed: u64,
    /// Texts to end before.
    pub stop: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended, or a text came that it was to end before.
    Stop,
    /// As many tokens as allowed, or as the context takes.
    Length,
}

/// What is new since the last piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Whole characters; may be empty.
    pub text: String,
    /// Of the last piece.
    pub finish: Option<FinishReason>,
    pub prompt_tokens: u32,
    /// So far.
    pub generated_tokens: u32,
}
