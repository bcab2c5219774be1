//! Chat templates: Jinja as `transformers` renders it (`apply_chat_template`): blocks trimmed, `break` and `continue`,
//! `raise_exception`, `strftime_now`, a `tojson` that is Python's, Python's methods on texts and maps, `None` and `True` printed
//! as Python prints them. `{% generation %}` blocks are passed through: what is learnt follows from the turns (`turns`).
//!
//! A template is somebody else's program. It can load nothing, its instructions are counted and its output is bounded; what it
//! joins in variables is not, so that one may still ask for much memory before its instructions run out.
//!
//! The date comes from the caller: the same conversation must give the same tokens when a job goes on after midnight.

mod output;
mod python;

use std::fmt;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, context};
use serde_json::Value as Json;

use crate::domain::text::ChatMessage;
use crate::domain::{Error, Result};

use super::special::{content, parse};
use output::Bounded;

const MAX_TEMPLATE_BYTES: usize = 256 << 10;
const MAX_OUTPUT_BYTES: usize = 4 << 20;
/// Instructions of a render; Llama 3.1's template takes about two hundred, and fifty a message.
const FUEL: u64 = 200_000;
const FUEL_A_MESSAGE: u64 = 5_000;
const MAX_RECURSION: usize = 64;
const MAX_MESSAGES: usize = 10_000;
const NAME: &str = "chat_template";

/// A wall-clock moment, for templates that print the date.
pub type Moment = chrono::NaiveDateTime;

/// Texts of the special tokens, which templates know by these names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateTokens {
    pub bos_token: Option<String>,
    pub eos_token: Option<String>,
    pub pad_token: Option<String>,
    pub unk_token: Option<String>,
}

impl TemplateTokens {
    /// From `tokenizer_config.json` and `special_tokens_map.json`.
    pub fn read(config: Option<&str>, special_tokens_map: Option<&str>) -> Result<Self> {
        let config = parse(config, "tokenizer_config.json")?;
        let map = parse(special_tokens_map, "special_tokens_map.json")?;
        let text = |name: &str| content(&config[name]).or_else(|| content(&map[name]));
        let (bos_token, eos_token) = (text("bos_token"), text("eos_token"));
        Ok(Self { bos_token, eos_token, pad_token: text("pad_token"), unk_token: text("unk_token") })
    }
}

pub struct ChatTemplate {
    environment: Environment<'static>,
    tokens: TemplateTokens,
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ChatTemplate").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

impl ChatTemplate {
    /// The template of a model: `chat_template.jinja`, else `chat_template` of `tokenizer_config.json`, which is a text or a
    /// list of named ones, of which `default` counts. `None` where there is none.
    pub fn find(
        config: Option<&str>,
        special_tokens_map: Option<&str>,
        chat_template: Option<&str>,
    ) -> Result<Option<Self>> {
        let found = match chat_template {
            Some(text) => Some(text.to_owned()),
            None => named_default(&parse(config, "tokenizer_config.json")?["chat_template"])?,
        };
        let tokens = TemplateTokens::read(config, special_tokens_map)?;
        found.map(|source| Self::new(&source, tokens)).transpose()
    }

    pub fn new(source: &str, tokens: TemplateTokens) -> Result<Self> {
        if source.len() > MAX_TEMPLATE_BYTES {
            let why = format!("it has {} bytes; at most {MAX_TEMPLATE_BYTES} are taken", source.len());
            return Err(Error::invalid(
                "MALFORMED_CHAT_TEMPLATE",
                "",
                format!("the chat template cannot be used: {why}"),
            ));
        }
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_recursion_limit(MAX_RECURSION);
        python::add_to(&mut environment);
        let source = python::without_generation_tags(source);
        environment.add_template_owned(NAME, source).map_err(|error| refused("cannot be read", &error))?;
        Ok(Self { environment, tokens })
    }

    /// The conversation as one text; with `generation_prompt` it ends where the assistant is to begin.
    pub fn render(&self, messages: &[ChatMessage], generation_prompt: bool, now: Moment) -> Result<String> {
        if messages.is_empty() || messages.len() > MAX_MESSAGES {
            let why = format!("a chat has {} messages; 1 to {MAX_MESSAGES} are taken", messages.len());
            return Err(Error::invalid("CHAT_LENGTH", "messages", why));
        }
        let mut environment = self.environment.clone();
        environment.set_fuel(Some(FUEL + FUEL_A_MESSAGE * messages.len() as u64));
        environment.add_function("strftime_now", move |format: &str| python::strftime(now, format));
        let template = environment.get_template(NAME).map_err(|error| refused("cannot be read", &error))?;
        let mut output = Bounded::new(MAX_OUTPUT_BYTES);
        let rendered = template.render_captured_to(self.variables(messages, generation_prompt), &mut output);
        rendered.map_err(|error| refused("cannot render these messages", &error))?;
        output.into_text().ok_or_else(|| Error::internal("a chat template gave no text"))
    }

    fn variables(&self, messages: &[ChatMessage], generation_prompt: bool) -> Value {
        let message =
            |message: &ChatMessage| context! { role => message.role.name(), content => message.content.as_str() };
        let none = Value::from(());
        let known = context! {
            messages => messages.iter().map(message).collect::<Vec<Value>>(),
            add_generation_prompt => generation_prompt,
            tools => none.clone(),
            documents => none,
        };
        let TemplateTokens { bos_token, eos_token, pad_token, unk_token } = &self.tokens;
        let named =
            [("bos_token", bos_token), ("eos_token", eos_token), ("pad_token", pad_token), ("unk_token", unk_token)];
        let tokens: Value = named.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?))).collect();
        context! { ..known, ..tokens }
    }
}

/// Of a list of named templates, `default`.
fn named_default(value: &Json) -> Result<Option<String>> {
    let of = |entry: &Json| entry["template"].as_str().map(str::to_owned);
    match value {
        Json::Null => Ok(None),
        Json::String(text) => Ok(Some(text.clone())),
        Json::Array(entries) => Ok(entries.iter().find(|entry| entry["name"] == "default").and_then(of)),
        Json::Bool(_) | Json::Number(_) | Json::Object(_) => {
            let why = "the chat template cannot be used: `chat_template` is neither a text nor a list of named texts";
            Err(Error::invalid("MALFORMED_CHAT_TEMPLATE", "", why))
        }
    }
}

/// What the template raised, or where it went wrong.
fn refused(what: &str, error: &minijinja::Error) -> Error {
    let line = error.line().map_or_else(String::new, |line| format!(" (line {line})"));
    let detail: String = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let detail: String = detail.chars().take(300).collect();
    Error::invalid("MALFORMED_CHAT_TEMPLATE", "", format!("the chat template {what}{line}: {detail}"))
}
