//! What a packaged model says of itself in the header of its file: the files of its folder that are text.

use std::collections::HashMap;
use std::path::Path;

pub(super) use super::weights::header_texts;
use crate::domain::{Error, Result};
use crate::ml::text::{ChatTemplate, Tokenizer, TokenizerFiles};

/// By the name of their file (`config.json`).
#[derive(Debug)]
pub(super) struct Package(HashMap<String, String>);

impl Package {
    pub(super) fn read(path: &Path) -> Result<Self> {
        header_texts(path).map(Self)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn config(&self) -> Result<&str> {
        self.required("config.json")
    }

    pub(super) fn tokenizer(&self) -> Result<Tokenizer> {
        let files = TokenizerFiles {
            tokenizer: self.required("tokenizer.json")?.as_bytes(),
            config: self.text("tokenizer_config.json"),
            special_tokens_map: self.text("special_tokens_map.json"),
            generation_config: self.text("generation_config.json"),
        };
        Tokenizer::read(&files).map_err(|error| error.about("uri"))
    }

    pub(super) fn template(&self) -> Result<Option<ChatTemplate>> {
        let (config, map) = (self.text("tokenizer_config.json"), self.text("special_tokens_map.json"));
        ChatTemplate::find(config, map, self.text("chat_template.jinja")).map_err(|error| error.about("uri"))
    }

    fn required(&self, name: &str) -> Result<&str> {
        let missing =
            || Error::invalid("MALFORMED_MODEL", "uri", format!("the package carries no {name}; load the model again"));
        self.text(name).ok_or_else(missing)
    }
}
