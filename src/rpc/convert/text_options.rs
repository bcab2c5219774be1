//! common.proto: how the examples of a text dataset are put to a model.

use super::common::{each, short_text};
use super::fields::{at_most, known, within};
use crate::domain::text::{TextOptions, Truncation};
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::text_options::Truncation as Wire;

const MAX_ANSWERS: usize = 10_000;
const MAX_PROMPT_BYTES: usize = 1 << 16;
const MAX_TOKENS: u32 = 1 << 20;

impl TryFrom<pb::TextOptions> for TextOptions {
    type Error = Error;

    /// What templates take for now is left open.
    fn try_from(value: pb::TextOptions) -> Result<Self> {
        let pb::TextOptions { label_prompt, label_answers, chat, system_prompt, truncation, max_tokens } = value;
        at_most(label_answers.len(), MAX_ANSWERS, "label_answers")?;
        if !chat && !system_prompt.is_empty() {
            let description = "is said in a chat; set `chat` too, or leave it out";
            return Err(Error::invalid("CONFLICTING_FIELDS", "system_prompt", description));
        }
        Ok(Self {
            label_prompt: bounded(label_prompt, "label_prompt")?,
            label_answers: each(label_answers, "label_answers", |answer| short_text(answer, ""))?,
            chat,
            system_prompt: bounded(system_prompt, "system_prompt")?,
            truncation: truncated(truncation)?,
            max_tokens: within(max_tokens, 0..=MAX_TOKENS, "max_tokens")?,
            now: 0,
        })
    }
}

impl From<TextOptions> for pb::TextOptions {
    fn from(value: TextOptions) -> Self {
        let TextOptions { label_prompt, label_answers, chat, system_prompt, truncation, max_tokens, now: _ } = value;
        let truncation = match truncation {
            Truncation::CutPrompt => Wire::CutPrompt,
            Truncation::Skip => Wire::Skip,
            Truncation::Refuse => Wire::Refuse,
        };
        Self { label_prompt, label_answers, chat, system_prompt, truncation: truncation.into(), max_tokens }
    }
}

fn truncated(value: i32) -> Result<Truncation> {
    Ok(match known(value, "truncation")? {
        Wire::Unspecified | Wire::CutPrompt => Truncation::CutPrompt,
        Wire::Skip => Truncation::Skip,
        Wire::Refuse => Truncation::Refuse,
    })
}

/// Of several lines perhaps, and not too long.
fn bounded(value: String, field: &str) -> Result<String> {
    if value.len() <= MAX_PROMPT_BYTES {
        return Ok(value);
    }
    let description = format!("has {} bytes; {MAX_PROMPT_BYTES} are allowed", value.len());
    Err(Error::invalid("TEXT_TOO_LONG", field, description))
}
