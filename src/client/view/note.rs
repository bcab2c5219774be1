//! The answer to a call that has little to say: a few named values and one sentence.

use serde::Serialize;
use serde_json::{Map, Value};

use super::View;

#[derive(Debug, Serialize)]
pub(crate) struct Note {
    #[serde(flatten)]
    values: Map<String, Value>,
    #[serde(skip)]
    text: String,
}

impl Note {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { values: Map::new(), text: text.into() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }
}

impl View for Note {
    fn text(&self) -> String {
        self.text.clone()
    }
}
