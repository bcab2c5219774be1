//! Chats as they are written: `[{"role": "user", "content": ".."}]`, ShareGPT's `from` and `value`, or either as text of JSON.

use serde_json::Value;

use crate::domain::text::{ChatMessage, Role};
use crate::domain::{Error, Result};
use crate::storage::datasets::sample::Place;

const MAX_MESSAGES: usize = 10_000;

pub(super) fn messages(value: Option<&Value>, place: &Place, column: &str) -> Result<Vec<ChatMessage>> {
    let parsed: Value;
    let found = match value {
        Some(Value::Array(messages)) => messages,
        Some(Value::String(text)) => {
            parsed = serde_json::from_str(text).unwrap_or_default();
            parsed.as_array().ok_or_else(|| malformed(place, column, "it is no list of messages"))?
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
            return Err(malformed(place, column, "it is no list of messages"));
        }
    };
    if found.is_empty() || found.len() > MAX_MESSAGES {
        let why = format!("it has {} messages; 1 to {MAX_MESSAGES} are taken", found.len());
        return Err(malformed(place, column, &why));
    }
    let message = |(index, value)| message(value, place, &format!("{column}[{index}]"));
    found.iter().enumerate().map(message).collect()
}

fn message(value: &Value, place: &Place, at: &str) -> Result<ChatMessage> {
    let field = |names: [&str; 2]| names.into_iter().find_map(|name| value.get(name).and_then(Value::as_str));
    let role = field(["role", "from"]).ok_or_else(|| malformed(place, at, "it has no `role`"))?;
    let content = field(["content", "value"]).ok_or_else(|| malformed(place, at, "it has no `content` of text"))?;
    let known = Role::from_name(role).ok_or_else(|| {
        let shown: String = role.chars().take(40).collect();
        malformed(place, at, &format!("its role is `{shown}`; roles are system, user, assistant and tool"))
    })?;
    if content.trim().is_empty() && known != Role::System {
        return Err(Error::invalid("EMPTY_TEXT", "", format!("{place}: `{at}` says nothing")));
    }
    Ok(ChatMessage::new(known, content))
}

fn malformed(place: &Place, at: &str, why: &str) -> Error {
    Error::invalid("MALFORMED_CHAT", "", format!("{place}: `{at}` cannot be read: {why}"))
}
