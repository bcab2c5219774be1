//! common.proto: how texts are put to a model.

use super::common::{each, short_text};
use super::fields::{at_most, known, within};
use crate::domain::text::{TextOptions, Truncation};
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;
use crate::pb::v1::text_options::Truncation as Wire;

const MAX_PROMPT_BYTES: usize = 64 << 10;
const MAX_CLASSES: usize = 100_000;
const MAX_TOKENS: u32 = 1 << 20;

/// Absent ones are the usual ones; `field` comes before every path.
pub(super) fn text_options(value: Option<pb::TextOptions>, field: &str) -> Result<TextOptions> {
    TextOptions::try_from(value.unwrap_or_default()).map_err(|error| error.under(field))
}

impl TryFrom<pb::TextOptions> for TextOptions {
    type Error = Error;

    fn try_from(value: pb::TextOptions) -> Result<Self> {
        let pb::TextOptions { label_prompt, label_answers, chat, system_prompt, truncation, max_tokens } = value;
        at_most(label_answers.len(), MAX_CLASSES, "label_answers")?;
        if !chat && !system_prompt.is_empty() {
            let description = "is said by chat templates alone; set `chat`, or leave it out";
            return Err(Error::invalid("CONFLICTING_FIELDS", "system_prompt", description));
        }
        Ok(Self {
            label_prompt: prompt(label_prompt, "label_prompt")?,
            label_answers: each(label_answers, "label_answers", |answer| short_text(answer, ""))?,
            chat,
            system_prompt: prompt(system_prompt, "system_prompt")?,
            truncation: match known(truncation, "truncation")? {
                Wire::Unspecified | Wire::CutPrompt => Truncation::CutPrompt,
                Wire::Skip => Truncation::Skip,
                Wire::Refuse => Truncation::Refuse,
            },
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

fn prompt(value: String, field: &str) -> Result<String> {
    if value.len() <= MAX_PROMPT_BYTES {
        return Ok(value);
    }
    let description = format!("has {} bytes; {MAX_PROMPT_BYTES} are allowed", value.len());
    Err(Error::invalid("TEXT_TOO_LONG", field, description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_back_as_they_went() {
        let options = TextOptions {
            label_prompt: "{text} is".into(),
            label_answers: vec!["a".into(), "b".into()],
            chat: true,
            system_prompt: "Be brief.".into(),
            truncation: Truncation::Refuse,
            max_tokens: 7,
            now: 0,
        };
        assert_eq!(TextOptions::try_from(pb::TextOptions::from(options.clone())).unwrap(), options);
    }

    #[test]
    fn a_system_prompt_belongs_to_a_chat() {
        let alone = pb::TextOptions { system_prompt: "Be brief.".into(), ..Default::default() };
        let error = text_options(Some(alone), "text").unwrap_err();
        assert_eq!((error.reason, error.violations[0].field.as_str()), ("CONFLICTING_FIELDS", "text.system_prompt"));
    }
}
