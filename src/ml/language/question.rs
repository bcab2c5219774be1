//! What is asked about a text.

use crate::domain::generation::TextInput;

/// What of the model's output is explained.
#[derive(Debug, Clone, PartialEq)]
pub enum TextQuestion {
    /// Of a model that generates: why this answer.
    Answer(String),
    /// Of a classifier: why this class; the predicted one where none is named.
    Class(Option<u32>),
}

/// A text and what is asked about it.
#[derive(Debug, Clone, PartialEq)]
pub struct TextItem {
    pub input: TextInput,
    pub question: TextQuestion,
}
