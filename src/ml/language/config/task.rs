//! What a model answers: the next token, or a class.

use serde_json::Value;

use super::fields::{Fields, invalid, unsupported};
use crate::domain::{Error, Result};

/// As many classes as a dataset may have.
const MOST_LABELS: u64 = 100_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LanguageTask {
    /// Each token is foretold from those before it.
    Causal,
    /// A text has one of these classes.
    Classify { labels: Vec<String> },
}

impl LanguageTask {
    /// Of a decoder: the next token, unless its head is another.
    pub(super) fn of_decoder(fields: &Fields) -> Result<Self> {
        let other = ["ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"];
        match fields.texts("architectures")?.iter().find(|name| other.iter().any(|other| name.ends_with(other))) {
            Some(name) => Err(unsupported("architectures", format!("`{name}` has no head of language modelling"))),
            None => Ok(Self::Causal),
        }
    }

    /// Of an encoder: a class of the whole text.
    pub(super) fn of_encoder(fields: &Fields) -> Result<Self> {
        let architectures = fields.texts("architectures")?;
        if let Some(bare) = architectures.iter().find(|name| !name.ends_with("ForSequenceClassification")) {
            return Err(head_missing(bare));
        }
        fields.must_be("problem_type", &Value::from("single_label_classification"))?;
        Ok(Self::Classify { labels: labels(fields)? })
    }
}

pub(in crate::ml::language) fn head_missing(what: &str) -> Error {
    let description = format!(
        "`{what}` has no head that classifies texts, and a random one would answer by chance; fine-tune it and export \
         `...ForSequenceClassification`"
    );
    Error::invalid("LANGUAGE_HEAD_MISSING", "uri", description)
}

/// Names of the classes in order: `id2label`, else `num_labels` of them, else two.
fn labels(fields: &Fields) -> Result<Vec<String>> {
    let count = fields.maybe_at_most("num_labels", MOST_LABELS)?.unwrap_or(2);
    let named = fields.nested(&["id2label"])?;
    let count = named.as_ref().map_or(count, Fields::len);
    if count < 2 {
        return Err(invalid("id2label", "has fewer than two classes, so there is nothing to tell apart"));
    }
    let name = |class: usize| -> Result<String> {
        let plain = format!("LABEL_{class}");
        let Some(named) = &named else { return Ok(plain) };
        if named.get(&class.to_string()).is_none() {
            return Err(invalid("id2label", &format!("names {count} classes and not class {class}")));
        }
        Ok(named.text_or(&class.to_string(), &plain)?.to_owned())
    };
    (0..count).map(name).collect()
}
