//! Which tokens begin, end, fill and mask a text, by the files beside `tokenizer.json`.
//!
//! `tokenizer_config.json` counts first, then `special_tokens_map.json`; `generation_config.json` adds ids that end an answer. A
//! token that is named but not in the vocabulary is passed over and told: its id would have no row in the embedding.

use serde_json::Value;

use crate::domain::{Error, Result};

use super::tokenizer::TokenizerFiles;

const NAMES: [&str; 7] = ["bos_token", "eos_token", "pad_token", "unk_token", "mask_token", "cls_token", "sep_token"];

/// Texts of the special tokens, in the order of `NAMES`.
#[derive(Debug, Default)]
pub(super) struct NamedTokens {
    texts: [Option<String>; 7],
    stop: Vec<u32>,
    pad: Option<u32>,
}

impl NamedTokens {
    pub(super) fn read(files: &TokenizerFiles<'_>) -> Result<Self> {
        let config = parse(files.config, "tokenizer_config.json")?;
        let map = parse(files.special_tokens_map, "special_tokens_map.json")?;
        let generation = parse(files.generation_config, "generation_config.json")?;
        let texts = NAMES.map(|name| content(&config[name]).or_else(|| content(&map[name])));
        Ok(Self {
            texts,
            stop: ids(&generation["eos_token_id"]),
            pad: ids(&generation["pad_token_id"]).first().copied(),
        })
    }
}

/// What fills the place of a token that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PadSource {
    Pad,
    /// There is no pad token.
    Eos,
    /// There is neither.
    Unk,
    /// There is none of them: a vector of zeros.
    Zero,
}

impl PadSource {
    /// As reports tell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pad => "PAD",
            Self::Eos => "EOS",
            Self::Unk => "UNK",
            Self::Zero => "ZERO",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    pub bos: Option<u32>,
    pub eos: Option<u32>,
    pub pad: Option<u32>,
    pub unk: Option<u32>,
    pub mask: Option<u32>,
    pub cls: Option<u32>,
    pub sep: Option<u32>,
    /// Any of these ends an answer: eos and what `generation_config.json` says.
    pub stop: Vec<u32>,
    /// Named by the files and not in the vocabulary.
    pub unknown: Vec<String>,
}

impl SpecialTokens {
    pub(super) fn find(named: &NamedTokens, id: &dyn Fn(&str) -> Option<u32>) -> Result<Self> {
        let found = named.texts.each_ref().map(|text| text.as_deref().and_then(id));
        let unknown = named.texts.iter().zip(found).filter(|(_, id)| id.is_none()).filter_map(|(text, _)| text.clone());
        let [bos, eos, pad, unk, mask, cls, sep] = found;
        let mut stop: Vec<u32> = eos.into_iter().chain(named.stop.iter().copied()).collect();
        stop.sort_unstable();
        stop.dedup();
        let eos = eos.or_else(|| named.stop.first().copied());
        Ok(Self { bos, eos, pad: pad.or(named.pad), unk, mask, cls, sep, stop, unknown: unknown.collect() })
    }

    /// The token that fills a place, by the chain PAD, EOS, UNK, and which of them it is.
    pub fn padding(&self) -> (Option<u32>, PadSource) {
        let chain = [(self.pad, PadSource::Pad), (self.eos, PadSource::Eos), (self.unk, PadSource::Unk)];
        chain.into_iter().find(|(id, _)| id.is_some()).unwrap_or((None, PadSource::Zero))
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        [self.bos, self.eos, self.pad, self.mask, self.cls, self.sep].into_iter().flatten().chain(self.stop.clone())
    }
}

pub(super) fn parse(file: Option<&str>, name: &str) -> Result<Value> {
    let Some(text) = file else { return Ok(Value::Null) };
    serde_json::from_str(text).map_err(|error| {
        let why = format!("`{name}` is no JSON: {error}");
        Error::invalid("MALFORMED_TOKENIZER", "", why).with_source(error)
    })
}

/// A token as text, or as an object with its text in `content`.
pub(super) fn content(token: &Value) -> Option<String> {
    let text = token.as_str().or_else(|| token["content"].as_str())?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// One id or several.
fn ids(value: &Value) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value.as_array() {
        Some(values) => values.iter().filter_map(id).collect(),
        None => id(value).into_iter().collect(),
    }
}
