//! Which column is what, by the request or by the names in common use, and one example from a row.

use serde_json::Value;

use crate::domain::text::{TextColumns, TextExample, TextForm};
use crate::domain::{Error, Result};
use crate::storage::datasets::classes::listed;
use crate::storage::datasets::sample::{Place, RawLabel};

use super::chat::messages;
use super::survey::{Survey, raw_label};
use super::table::Row;

const MESSAGES: [&str; 3] = ["messages", "conversations", "conversation"];
const PROMPTS: [&str; 5] = ["prompt", "question", "instruction", "query", "input"];
const ANSWERS: [&str; 5] = ["answer", "completion", "response", "output", "target"];
const TEXTS: [&str; 4] = ["text", "sentence", "content", "document"];
const LABELS: [&str; 7] = ["label", "labels", "category", "class", "intent", "target", "y"];
pub(super) const SPLIT: &str = "split";

/// Columns of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) content: Content,
    pub(super) label: Option<String>,
    pub(super) split: Option<String>,
    /// Further scalar columns.
    pub(super) others: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Completion { prompt: String, answer: String },
    Chat { messages: String },
    Text { text: String },
}

/// An example as the source has it; a label has no index yet.
#[derive(Debug)]
pub(super) struct RawText {
    pub(super) example: TextExample,
    pub(super) label: Option<RawLabel>,
    /// Values of `Layout::others`.
    pub(super) columns: Vec<String>,
}

impl Layout {
    pub(super) fn find(survey: &Survey, asked: &TextColumns) -> Result<Self> {
        let names = survey.columns.as_slice();
        check_asked(names, asked)?;
        let content = Content::find(names, asked)?;
        let likely = || pick(names, &LABELS).first().copied();
        let label = match content {
            Content::Text { .. } => asked.label.as_deref().or_else(likely),
            Content::Completion { .. } | Content::Chat { .. } => asked.label.as_deref(),
        };
        let label = label.map(str::to_owned);
        let split = names.iter().find(|name| *name == SPLIT && label.as_ref() != Some(name)).cloned();
        let used = |name: &String| content.uses(name) || Some(name) == label.as_ref() || Some(name) == split.as_ref();
        let others = names.iter().filter(|name| !used(name) && survey.is_scalar(name)).cloned().collect();
        Ok(Self { content, label, split, others })
    }

    pub(super) fn form(&self) -> TextForm {
        match (&self.content, &self.label) {
            (Content::Completion { .. }, _) => TextForm::Completion,
            (Content::Chat { .. }, _) => TextForm::Chat,
            (Content::Text { .. }, Some(_)) => TextForm::Labelled,
            (Content::Text { .. }, None) => TextForm::Plain,
        }
    }

    /// `named`: labels are names.
    pub(super) fn read(&self, row: &Row, named: bool, place: &Place) -> Result<RawText> {
        let example = match &self.content {
            Content::Completion { prompt, answer } => {
                TextExample::Completion { prompt: text(row, prompt, place)?, answer: text(row, answer, place)? }
            }
            Content::Chat { messages: column } => {
                TextExample::Chat { messages: messages(row.get(column), place, column)? }
            }
            Content::Text { text: column } => match self.label {
                Some(_) => TextExample::Labelled { text: text(row, column, place)?, label: 0 },
                None => TextExample::Plain { text: text(row, column, place)? },
            },
        };
        let label = self.label.as_ref().map(|column| raw_label(row.get(column), named, place, column)).transpose()?;
        let columns = self.others.iter().map(|column| shown(row.get(column))).collect();
        Ok(RawText { example, label, columns })
    }
}

impl Content {
    fn find(names: &[String], asked: &TextColumns) -> Result<Self> {
        if let Some(messages) = &asked.messages {
            return Ok(Self::Chat { messages: messages.clone() });
        }
        if let Some(text) = &asked.text {
            return Ok(Self::Text { text: text.clone() });
        }
        let (prompts, answers) = (pick(names, &PROMPTS), pick(names, &ANSWERS));
        if asked.prompt.is_some() || asked.answer.is_some() {
            let prompt = only(asked.prompt.as_deref(), &prompts, "text.prompt_column", names)?;
            let answer = only(asked.answer.as_deref(), &answers, "text.answer_column", names)?;
            return Ok(Self::Completion { prompt, answer });
        }
        if let Some(messages) = pick(names, &MESSAGES).first() {
            return Ok(Self::Chat { messages: (*messages).to_owned() });
        }
        if !prompts.is_empty() && !answers.is_empty() {
            let prompt = only(None, &prompts, "text.prompt_column", names)?;
            return Ok(Self::Completion { prompt, answer: only(None, &answers, "text.answer_column", names)? });
        }
        let text = pick(names, &TEXTS).first().map(|text| (*text).to_owned());
        let missing = "no column of chats, of prompts with answers or of texts was found; name it";
        text.map(|text| Self::Text { text }).ok_or_else(|| not_found("text.text_column", missing, names))
    }

    fn uses(&self, name: &str) -> bool {
        match self {
            Self::Completion { prompt, answer } => name == prompt || name == answer,
            Self::Chat { messages } => name == messages,
            Self::Text { text } => name == text,
        }
    }
}

/// Those of the likely names that are there, the likeliest first.
fn pick<'a>(names: &'a [String], likely: &[&str]) -> Vec<&'a str> {
    let found = likely.iter().filter_map(|wanted| names.iter().find(|name| name.eq_ignore_ascii_case(wanted)));
    found.map(String::as_str).collect()
}

/// What is asked for, else the only likely one: of two, the other would be lost without a word.
fn only(asked: Option<&str>, likely: &[&str], field: &str, names: &[String]) -> Result<String> {
    match (asked, likely) {
        (Some(asked), _) => Ok(asked.to_owned()),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(not_found(field, "no column was found by its name; name it", names)),
        (None, [first, second, ..]) => {
            let why = format!("both `{first}` and `{second}` could be meant; name one");
            Err(Error::invalid("AMBIGUOUS_COLUMN", field, why))
        }
    }
}

fn check_asked(names: &[String], asked: &TextColumns) -> Result<()> {
    let TextColumns { prompt, answer, messages, text, label } = asked;
    let fields = [
        ("text.prompt_column", prompt),
        ("text.answer_column", answer),
        ("text.messages_column", messages),
        ("text.text_column", text),
        ("label_column", label),
    ];
    for (field, column) in fields {
        if let Some(column) = column.as_ref().filter(|column| !names.contains(column)) {
            let shown: String = column.chars().take(80).collect();
            return Err(not_found(field, &format!("no column `{shown}`"), names));
        }
    }
    let kinds = [prompt.is_some() || answer.is_some(), messages.is_some(), text.is_some()];
    if kinds.iter().filter(|kind| **kind).count() > 1 {
        let why = "prompts with answers, chats and texts exclude each other; name the columns of one of them";
        return Err(Error::invalid("CONFLICTING_FIELDS", "text.text_column", why));
    }
    Ok(())
}

fn not_found(field: &str, why: &str, names: &[String]) -> Error {
    Error::invalid("COLUMN_NOT_FOUND", field, format!("{why}; the columns are {}", listed(names)))
}

fn text(row: &Row, column: &str, place: &Place) -> Result<String> {
    match row.get(column) {
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.clone()),
        Some(Value::String(_) | Value::Null) | None => {
            Err(Error::invalid("EMPTY_TEXT", "", format!("{place} has no text in `{column}`")))
        }
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Error::invalid("UNREADABLE_DATASET", "", format!("{place}: `{column}` is no text")))
        }
    }
}

/// A further column as predicates compare it.
fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => value.to_string(),
    }
}
