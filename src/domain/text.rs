//! Texts to train on and to ask about: examples, what a table calls them, and what became of them on the way into a model.
//!
//! `TextSource` is the seam between the files (`storage`) and the numeric code (`ml`), as `ImageSource` is for images.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::Result;

/// Who says something in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
    Tool,
}

impl Role {
    /// As chat templates know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }

    /// From the names in use: OpenAI's, and `human` and `gpt` of ShareGPT.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "system" => Some(Self::System),
            "user" | "human" => Some(Self::User),
            "assistant" | "gpt" | "model" => Some(Self::Assistant),
            "tool" => Some(Self::Tool),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChatMessage {
    pub role: Role,
    pub content: String,
}

impl ChatMessage {
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

/// One example of a text dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextExample {
    /// The answer is learnt, the prompt is not.
    Completion { prompt: String, answer: String },
    /// The assistant's turns are learnt.
    Chat { messages: Vec<ChatMessage> },
    /// A text and its class.
    Labelled { text: String, label: u32 },
    /// All of it is learnt.
    Plain { text: String },
}

impl TextExample {
    pub fn form(&self) -> TextForm {
        match self {
            Self::Completion { .. } => TextForm::Completion,
            Self::Chat { .. } => TextForm::Chat,
            Self::Labelled { .. } => TextForm::Labelled,
            Self::Plain { .. } => TextForm::Plain,
        }
    }

    pub fn label(&self) -> Option<u32> {
        match self {
            Self::Labelled { label, .. } => Some(*label),
            Self::Completion { .. } | Self::Chat { .. } | Self::Plain { .. } => None,
        }
    }

    /// For people: a prompt and its answer, the assistant's last turn, or the text.
    pub fn shown(&self) -> String {
        match self {
            Self::Completion { prompt, answer } => format!("{prompt} \u{2192} {answer}"),
            Self::Chat { .. } => self.answer().unwrap_or_default().to_owned(),
            Self::Labelled { text, .. } | Self::Plain { text } => text.clone(),
        }
    }

    /// The same text under another class; examples without classes stay as they are.
    #[must_use]
    pub fn labelled(self, class: u32) -> Self {
        match self {
            Self::Labelled { text, label: _ } => Self::Labelled { text, label: class },
            Self::Completion { .. } | Self::Chat { .. } | Self::Plain { .. } => self,
        }
    }

    /// What the model is to say: the answer, the assistant's last turn, the text; a label has no words of its own.
    pub fn answer(&self) -> Option<&str> {
        match self {
            Self::Completion { answer, .. } => Some(answer),
            Self::Chat { messages } => {
                let last = messages.iter().rev().find(|message| message.role == Role::Assistant);
                last.map(|message| message.content.as_str())
            }
            Self::Labelled { .. } => None,
            Self::Plain { text } => Some(text),
        }
    }
}

/// What all examples of a dataset are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextForm {
    Completion,
    Chat,
    Labelled,
    Plain,
}

impl fmt::Display for TextForm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Completion => "prompts with answers",
            Self::Chat => "chats",
            Self::Labelled => "labelled texts",
            Self::Plain => "plain texts",
        })
    }
}

/// Columns of a table that a request names; what is not named is found by the names in common use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextColumns {
    pub prompt: Option<String>,
    pub answer: Option<String>,
    pub messages: Option<String>,
    pub text: Option<String>,
    pub label: Option<String>,
}

impl TextColumns {
    /// Requests from the wire say "not named" by an empty text.
    #[must_use]
    pub fn stated(&self) -> Self {
        let stated = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
        let Self { prompt, answer, messages, text, label } = self;
        Self {
            prompt: stated(prompt),
            answer: stated(answer),
            messages: stated(messages),
            text: stated(text),
            label: stated(label),
        }
    }
}

/// What happens to an example that is longer than the model's context. An answer is never cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Truncation {
    /// The prompt loses its beginning (a text to be classified its end); where that is not enough, the example is left out and counted.
    #[default]
    CutPrompt,
    /// The example is left out and counted.
    Skip,
    /// An error that names the example.
    Refuse,
}

/// Which of the assistant's turns in a chat are learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum TrainedTurns {
    #[default]
    All,
    Last,
}

/// How the examples of a dataset are put to a model. What is trained on and what is asked afterwards must agree in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TextOptions {
    /// Makes a prompt of a labelled text for a model that generates: `{text}` once, `{labels}` for the answers. Empty: a plain one.
    pub label_prompt: String,
    /// What a model that generates answers for each class, in the order of the classes; empty: their names.
    pub label_answers: Vec<String>,
    /// Prompts and answers are turns of the model's chat template.
    pub chat: bool,
    /// Of `chat`: what the template is told first; empty: nothing.
    pub system_prompt: String,
    pub truncation: Truncation,
    /// Tokens of an example at most, never more than the model's context; 0: 1024.
    pub max_tokens: u32,
    /// What templates take for now, in seconds since 1970: written down when a job is accepted, so that a later attempt sees the same.
    pub now: i64,
}

/// Tokens of an example at most, where nobody says.
const USUAL_TOKENS: usize = 1024;

impl TextOptions {
    /// Tokens of an example at most; a model may read fewer.
    pub fn most_tokens(&self) -> usize {
        if self.max_tokens == 0 { USUAL_TOKENS } else { self.max_tokens as usize }
    }

    /// The first field set that is for labelled texts on a model that generates.
    pub fn label_field(&self) -> Option<&'static str> {
        let fields = [("label_prompt", self.label_prompt.is_empty()), ("label_answers", self.label_answers.is_empty())];
        fields.into_iter().find(|(_, is_empty)| !is_empty).map(|(field, _)| field)
    }
}

/// What became of the examples of a dataset when they were turned into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EncodingReport {
    pub examples: u64,
    /// Left out: they do not fit into the context, even without what of their prompt may be cut.
    pub skipped: u64,
    /// Kept, with a shorter prompt.
    pub cut: u64,
    /// Tokens that these lost.
    pub cut_tokens: u64,
    pub tokens: u64,
    pub labelled_tokens: u64,
    /// Examples with an answer after which the tokenizer has no token that ends it: the model does not learn to stop.
    pub without_end: u64,
}

/// The examples of one split, readable in any order from any thread.
pub trait TextSource: Send + Sync + fmt::Debug {
    /// Content hash of the dataset and the split's name.
    fn key(&self) -> &str;
    fn form(&self) -> TextForm;
    fn len(&self) -> usize;
    /// Class of each example, in order; empty where the dataset has no labels.
    fn labels(&self) -> &[u32];
    fn get(&self, position: usize) -> Result<TextExample>;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
