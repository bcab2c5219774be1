//! A Hugging Face tokenizer (`tokenizer.json`), with the special tokens that the files beside it name.
//!
//! Truncation and padding that the file asks for are switched off: what is cut is decided, and counted, in `finish`. The file is
//! somebody else's: its size is bounded, so is how much its normalisers may lengthen a text, and a panic in the library becomes
//! an error.

use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_json::Value;

use crate::domain::{Error, Result};

use super::special::{NamedTokens, SpecialTokens};

/// Gemma's, the largest in use, has 33 MB.
const MAX_FILE_BYTES: usize = 128 << 20;
const MAX_TOKENS: usize = 1 << 20;
const MAX_TEXT_BYTES: usize = 4 << 20;
/// By how much normalisers may lengthen a text: the usual one puts three bytes for a space.
const MAX_GROWTH: usize = 64;
const MAX_STEPS: usize = 64;

/// Contents of the files of a tokenizer.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenizerFiles<'a> {
    /// `tokenizer.json`
    pub tokenizer: &'a [u8],
    /// `tokenizer_config.json`
    pub config: Option<&'a str>,
    /// `special_tokens_map.json`
    pub special_tokens_map: Option<&'a str>,
    /// `generation_config.json`
    pub generation_config: Option<&'a str>,
}

/// A text in tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    pub ids: Vec<u32>,
    /// Bytes of the text that each stands for, with the space that it begins with; empty for tokens that were added.
    pub offsets: Vec<(usize, usize)>,
}

pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialTokens,
    special_ids: HashSet<u32>,
    vocabulary_size: usize,
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tokenizer").field("vocabulary_size", &self.vocabulary_size).finish_non_exhaustive()
    }
}

impl Tokenizer {
    pub fn read(files: &TokenizerFiles<'_>) -> Result<Self> {
        check_file(files.tokenizer)?;
        let mut inner = guarded("read", || tokenizers::Tokenizer::from_bytes(files.tokenizer))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| malformed(&error))?;
        keep_spaces(&mut inner)?;
        let vocabulary = inner.get_vocab(true);
        if vocabulary.is_empty() || vocabulary.len() > MAX_TOKENS {
            return Err(malformed(&format!("it has {} tokens; 1 to {MAX_TOKENS} are taken", vocabulary.len())));
        }
        let vocabulary_size = vocabulary.values().max().map_or(0, |id| *id as usize + 1);
        let added = inner.get_added_tokens_decoder();
        let mut special_ids: HashSet<u32> =
            added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect();
        let named = NamedTokens::read(files)?;
        let special = SpecialTokens::find(&named, &|token| inner.token_to_id(token))?;
        special_ids.extend(special.ids());
        // The unknown token stands for text.
        special.unk.iter().for_each(|unk| _ = special_ids.remove(unk));
        Ok(Self { inner, special, special_ids, vocabulary_size })
    }

    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    /// One more than the highest id.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    /// Whether every token has a row in a model's embedding; models often have a few rows more.
    pub fn check_fits(&self, rows: usize) -> Result<()> {
        if self.vocabulary_size <= rows {
            return Ok(());
        }
        let why = format!(
            "the tokenizer has tokens up to id {} and the model embeds {rows}; use the tokenizer that belongs to the model",
            self.vocabulary_size - 1
        );
        Err(Error::invalid("TOKENIZER_MISMATCH", "", why))
    }

    /// Whether a token is no text: bos, eos, the marks of a chat.
    pub fn is_special(&self, id: u32) -> bool {
        self.special_ids.contains(&id)
    }

    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// With `add_special`, as the tokenizer's post-processor wants it (`[CLS] .. [SEP]`, `<s> ..`).
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Tokens> {
        if text.len() > MAX_TEXT_BYTES {
            let why = format!("the text has {} bytes; at most {MAX_TEXT_BYTES} are taken", text.len());
            return Err(Error::invalid("TEXT_TOO_LONG", "", why));
        }
        let encoding = guarded("apply", || self.inner.encode(text, add_special))?;
        let offsets = encoding.get_offsets().iter().map(|(start, end)| (*start.min(end), (*end).min(text.len())));
        Ok(Tokens { ids: encoding.get_ids().to_vec(), offsets: offsets.collect() })
    }

    /// The text of tokens; with `skip_special`, without those that are no text.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String> {
        guarded("apply", || self.inner.decode(ids, skip_special))
    }
}

/// The parts of `tokenizer.json` that rewrite text.
#[derive(Debug, Deserialize)]
struct Rewriters {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
}

fn check_file(file: &[u8]) -> Result<()> {
    if file.len() > MAX_FILE_BYTES {
        return Err(malformed(&format!("it has {} bytes; at most {MAX_FILE_BYTES} are read", file.len())));
    }
    let parts: Rewriters = serde_json::from_slice(file).map_err(|error| malformed(&error).with_source(error))?;
    for (name, part) in
        [("normalizer", &parts.normalizer), ("pre_tokenizer", &parts.pre_tokenizer), ("decoder", &parts.decoder)]
    {
        let mut growth = Growth { factor: 1, steps: 0 };
        growth.visit(part);
        if growth.factor > MAX_GROWTH || growth.steps > MAX_STEPS {
            let why = format!("its `{name}` could lengthen a text more than {MAX_GROWTH} times");
            return Err(malformed(&why));
        }
    }
    Ok(())
}

/// An upper bound on how much a chain of steps lengthens a text.
struct Growth {
    factor: usize,
    steps: usize,
}

impl Growth {
    fn visit(&mut self, part: &Value) {
        match part {
            Value::Array(parts) => parts.iter().for_each(|part| self.visit(part)),
            Value::Object(fields) => {
                self.steps += usize::from(fields.contains_key("type"));
                for name in ["content", "prepend"] {
                    let length = fields.get(name).and_then(Value::as_str).map_or(1, str::len);
                    self.factor = self.factor.saturating_mul(length.max(1));
                }
                fields.values().filter(|part| part.is_array() || part.is_object()).for_each(|part| self.visit(part));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Byte-level post-processors leave white space out of the offsets, so that a token of nothing else stands nowhere: an answer
/// would lose its line breaks. They are told not to.
fn keep_spaces(tokenizer: &mut tokenizers::Tokenizer) -> Result<()> {
    let Some(processor) = tokenizer.get_post_processor() else { return Ok(()) };
    let mut fields = serde_json::to_value(processor).map_err(|error| malformed(&error))?;
    untrim(&mut fields);
    let processor: tokenizers::PostProcessorWrapper =
        serde_json::from_value(fields).map_err(|error| malformed(&error))?;
    tokenizer.with_post_processor(Some(processor));
    Ok(())
}

fn untrim(part: &mut Value) {
    match part {
        Value::Array(parts) => parts.iter_mut().for_each(untrim),
        Value::Object(fields) => {
            if let Some(trim) = fields.get_mut("trim_offsets") {
                *trim = Value::Bool(false);
            }
            fields.values_mut().for_each(untrim);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn guarded<T>(what: &str, run: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(malformed(&error).with_source(error)),
        Err(_) => Err(malformed(&format!("it is damaged: the attempt to {what} it was given up"))),
    }
}

fn malformed(why: &dyn fmt::Display) -> Error {
    let why: String = why.to_string().chars().take(300).collect();
    Error::invalid("MALFORMED_TOKENIZER", "", format!("the tokenizer cannot be used: {why}"))
}
