//! text.proto: what language models are asked, and what they answer.

use super::attribution_spec::{quadrature_rule, target_output};
use super::common::{each, short_text};
use super::fields::{at_most, known, number, or, parsed, required_text, within};
use super::names::ClassNames;
use crate::domain::attribution::{TokenAttributionOptions, TokenBaseline};
use crate::domain::generation::{FinishReason, GenerationOptions, Piece, TextInput};
use crate::domain::text::{ChatMessage, Role};
use crate::domain::text_attribution::{TextAttribution, TextAttributionOptions, TextShare};
use crate::domain::{Error, Result};
use crate::engine::{AttributeTextInput, AttributeTexts, AttributedTextItem, GenerateText, TextPiece};
use crate::pb::v1 as pb;
use crate::pb::v1::attribute_text_request::{Input as WireInput, input::Input as AttributedInput};
use crate::pb::v1::generate_request::Input as GivenInput;

const MAX_INPUTS: usize = 64;
const MAX_TURNS: usize = 256;
const MAX_STOPS: usize = 16;
const MAX_TEXT_BYTES: usize = 1 << 20;
const MAX_NEW_TOKENS: u32 = 4096;
const DEFAULT_NEW_TOKENS: u32 = 256;
const MAX_TEMPERATURE: f64 = 10.0;
const MAX_STEPS: u32 = 1024;
const MAX_ADAPTIVE_STEPS: u32 = 512;
const DEFAULT_STEPS: u32 = 50;
const MAX_ROWS: u32 = 256;

impl TryFrom<pb::GenerateRequest> for GenerateText {
    type Error = Error;

    fn try_from(value: pb::GenerateRequest) -> Result<Self> {
        let pb::GenerateRequest { model, input, max_tokens, temperature, top_k, top_p, seed, stop } = value;
        let input = match input.ok_or_else(|| missing("input", "give `prompt` or `conversation`"))? {
            GivenInput::Prompt(prompt) => TextInput::Text(text(prompt, "prompt")?),
            GivenInput::Conversation(turns) => conversation(turns)?,
        };
        let all = |value: f64| if value == 0.0 { 1.0 } else { value };
        let warm = |value: f64| (0.0..=MAX_TEMPERATURE).contains(&value);
        at_most(stop.len(), MAX_STOPS, "stop")?;
        let options = GenerationOptions {
            max_tokens: within(or(max_tokens, DEFAULT_NEW_TOKENS), 1..=MAX_NEW_TOKENS, "max_tokens")?,
            temperature: number(temperature, warm, "from 0 to 10", "temperature")?,
            top_k,
            top_p: number(all(top_p), |value| value > 0.0 && value <= 1.0, "above 0 and at most 1", "top_p")?,
            seed,
            stop: each(stop, "stop", |stop| required_text(short_text(stop, "")?, ""))?,
        };
        Ok(Self { model: parsed(&model, "model")?, input, options })
    }
}

fn missing(field: &str, what: &str) -> Error {
    Error::invalid("MISSING_FIELD", field, format!("is required: {what}"))
}

/// Not empty and of a bounded length.
fn text(value: String, field: &str) -> Result<String> {
    if value.len() > MAX_TEXT_BYTES {
        let description = format!("has {} bytes; {MAX_TEXT_BYTES} are allowed", value.len());
        return Err(Error::invalid("TEXT_TOO_LONG", field, description));
    }
    match value.trim().is_empty() {
        true => Err(Error::invalid("EMPTY_TEXT", field, "is empty; give some text")),
        false => Ok(value),
    }
}

fn conversation(value: pb::Conversation) -> Result<TextInput> {
    let pb::Conversation { turns } = value;
    if turns.is_empty() {
        return Err(missing("conversation.turns", "give at least one turn"));
    }
    at_most(turns.len(), MAX_TURNS, "conversation.turns")?;
    Ok(TextInput::Conversation(each(turns, "conversation.turns", turn)?))
}

fn turn(value: pb::conversation::Turn) -> Result<ChatMessage> {
    let pb::conversation::Turn { role, content } = value;
    let role = match role.as_str() {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => {
            let description = format!("`{other}` is no role; say system, user or assistant");
            return Err(Error::invalid("UNKNOWN_ROLE", "role", description));
        }
    };
    Ok(ChatMessage { role, content: text(content, "content")? })
}

impl From<TextPiece> for pb::GenerateResponse {
    fn from(value: TextPiece) -> Self {
        let TextPiece { version, piece: Piece { text, finish, prompt_tokens, generated_tokens } } = value;
        let finish_reason = match finish {
            None => pb::generate_response::FinishReason::Unspecified,
            Some(FinishReason::Stop) => pb::generate_response::FinishReason::Stop,
            Some(FinishReason::Length) => pb::generate_response::FinishReason::Length,
        };
        Self {
            model_version: version.to_string(),
            text,
            finish_reason: finish_reason.into(),
            prompt_tokens,
            generated_tokens,
        }
    }
}

impl TryFrom<pb::AttributeTextRequest> for AttributeTexts {
    type Error = Error;

    fn try_from(value: pb::AttributeTextRequest) -> Result<Self> {
        let pb::AttributeTextRequest {
            model,
            inputs,
            rule,
            steps,
            baseline: wire,
            output,
            internal_batch_size,
            adaptive,
        } = value;
        if inputs.is_empty() {
            return Err(missing("inputs", "give at least one text"));
        }
        at_most(inputs.len(), MAX_INPUTS, "inputs")?;
        let tokens = pb::TokenAttributionSpec { rule, steps, baseline: wire, internal_batch_size, adaptive };
        let tokens = TokenAttributionOptions::try_from(tokens)?;
        let options = TextAttributionOptions { tokens, output: target_output(output)? };
        Ok(Self { model: parsed(&model, "model")?, inputs: each(inputs, "inputs", attributed)?, options })
    }
}

impl TryFrom<pb::TokenAttributionSpec> for TokenAttributionOptions {
    type Error = Error;

    fn try_from(value: pb::TokenAttributionSpec) -> Result<Self> {
        let pb::TokenAttributionSpec { rule, steps, baseline: wire, internal_batch_size, adaptive } = value;
        let most_steps = if adaptive { MAX_ADAPTIVE_STEPS } else { MAX_STEPS };
        Ok(Self {
            rule: quadrature_rule(rule, "rule")?,
            steps: within(or(steps, DEFAULT_STEPS), 1..=most_steps, "steps")?,
            adaptive,
            baseline: baseline(wire)?,
            internal_batch_size: within(internal_batch_size, 0..=MAX_ROWS, "internal_batch_size")?,
        })
    }
}

impl From<TokenAttributionOptions> for pb::TokenAttributionSpec {
    fn from(value: TokenAttributionOptions) -> Self {
        let TokenAttributionOptions { rule, steps, adaptive, baseline, internal_batch_size } = value;
        Self {
            rule: pb::QuadratureRule::from(rule).into(),
            steps,
            baseline: pb::TextBaseline::from(baseline).into(),
            internal_batch_size,
            adaptive,
        }
    }
}

fn attributed(value: WireInput) -> Result<AttributeTextInput> {
    let WireInput { input, answer, target_class } = value;
    let input = match input.ok_or_else(|| missing("input", "give `text` or `conversation`"))? {
        AttributedInput::Text(value) => TextInput::Text(text(value, "text")?),
        AttributedInput::Conversation(turns) => conversation(turns)?,
    };
    let answer = if answer.is_empty() { answer } else { text(answer, "answer")? };
    Ok(AttributeTextInput { input, answer, target_class: short_text(target_class, "target_class")? })
}

fn baseline(value: i32) -> Result<TokenBaseline> {
    Ok(match known(value, "baseline")? {
        pb::TextBaseline::Unspecified | pb::TextBaseline::Pad => TokenBaseline::Pad,
        pb::TextBaseline::Eos => TokenBaseline::End,
        pb::TextBaseline::Mask => TokenBaseline::Mask,
        pb::TextBaseline::Zero => TokenBaseline::Zero,
        pb::TextBaseline::Unknown => TokenBaseline::Unknown,
    })
}

impl From<TokenBaseline> for pb::TextBaseline {
    fn from(value: TokenBaseline) -> Self {
        match value {
            TokenBaseline::Pad => Self::Pad,
            TokenBaseline::End => Self::Eos,
            TokenBaseline::Mask => Self::Mask,
            TokenBaseline::Zero => Self::Zero,
            TokenBaseline::Unknown => Self::Unknown,
        }
    }
}

/// One item of the answer.
pub(in crate::rpc) fn response(item: AttributedTextItem, names: &ClassNames) -> pb::AttributeTextResponse {
    let AttributedTextItem { index, version, outcome } = item;
    let head = pb::AttributeTextResponse { index, model_version: version.to_string(), ..Default::default() };
    let explained = match outcome {
        Ok(explained) => explained,
        Err(error) => {
            return pb::AttributeTextResponse { failure: Some(super::attributions::failure(&error)), ..head };
        }
    };
    let TextAttribution {
        rendered,
        tokens,
        words,
        output,
        baseline_output,
        delta,
        relative_delta,
        converged,
        steps,
        baseline,
        target,
    } = explained;
    pb::AttributeTextResponse {
        tokens: shares(&rendered, tokens),
        words: shares(&rendered, words),
        rendered,
        output,
        baseline_output,
        delta,
        relative_delta,
        converged,
        steps,
        baseline: pb::TextBaseline::from(baseline).into(),
        target_index: target.unwrap_or_default(),
        target_name: target.map(|target| names.of(target)).unwrap_or_default(),
        ..head
    }
}

/// With the pieces of text themselves. A token may be a part of a character, which has no text of its own.
fn shares(rendered: &str, shares: Vec<TextShare>) -> Vec<pb::TextShare> {
    let share = |TextShare { start, end, value }| pb::TextShare {
        text: rendered.get(start as usize..end as usize).unwrap_or_default().to_owned(),
        start,
        end,
        value,
    };
    shares.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generate() -> pb::GenerateRequest {
        let input = Some(GivenInput::Prompt("Once".to_owned()));
        pb::GenerateRequest { model: "models/m".to_owned(), input, ..Default::default() }
    }

    fn violated(value: pb::GenerateRequest) -> (String, &'static str) {
        let error = GenerateText::try_from(value).unwrap_err();
        (error.violations[0].field.clone(), error.reason)
    }

    #[test]
    fn the_plain_request_is_greedy() {
        let options = GenerateText::try_from(generate()).unwrap().options;
        assert_eq!((options.max_tokens, options.temperature, options.top_k, options.top_p), (256, 0.0, 0, 1.0));
    }

    #[test]
    fn wrong_fields_are_named() {
        let field = |change: fn(&mut pb::GenerateRequest)| {
            let mut request = generate();
            change(&mut request);
            violated(request)
        };
        assert_eq!(field(|request| request.input = None), ("input".into(), "MISSING_FIELD"));
        assert_eq!(field(|request| request.temperature = f64::NAN).0, "temperature");
        assert_eq!(field(|request| request.top_p = 1.5).0, "top_p");
        assert_eq!(field(|request| request.max_tokens = 5000).0, "max_tokens");
        assert_eq!(field(|request| request.stop = vec![String::new()]).0, "stop[0]");
        let blank = |request: &mut pb::GenerateRequest| request.input = Some(GivenInput::Prompt(" \n".into()));
        assert_eq!(field(blank), ("prompt".into(), "EMPTY_TEXT"));
        let poet = |request: &mut pb::GenerateRequest| {
            let turns = vec![pb::conversation::Turn { role: "poet".into(), content: "x".into() }];
            request.input = Some(GivenInput::Conversation(pb::Conversation { turns }));
        };
        assert_eq!(field(poet), ("conversation.turns[0].role".into(), "UNKNOWN_ROLE"));
    }

    #[test]
    fn texts_to_attribute_are_checked_one_by_one() {
        let input = |text: &str| WireInput { input: Some(AttributedInput::Text(text.into())), ..Default::default() };
        let request = |inputs| pb::AttributeTextRequest { model: "models/m".into(), inputs, ..Default::default() };
        let field = |inputs| AttributeTexts::try_from(request(inputs)).unwrap_err().violations[0].field.clone();
        assert_eq!(field(vec![]), "inputs");
        assert_eq!(field(vec![input("a"), input("")]), "inputs[1].text");
        assert_eq!(AttributeTexts::try_from(request(vec![input("a")])).unwrap().options.tokens.steps, 50);
    }

    #[test]
    fn half_a_character_has_no_text() {
        let halves = vec![TextShare { start: 0, end: 1, value: 1.0 }, TextShare { start: 0, end: 2, value: 2.0 }];
        let texts: Vec<String> = shares("\u{e9}!", halves).into_iter().map(|share| share.text).collect();
        assert_eq!(texts, ["", "\u{e9}"]);
    }
}
