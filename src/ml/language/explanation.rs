//! One text explained for people: encoded with its answer, attributed token by token, put together in words.

use std::rc::Rc;

use tch::Tensor;

use super::attribution::{BaselineTokens, FinishedTokens, TokenAttributionTask, TokenItem, pass_tokens};
use super::question::{TextItem, TextQuestion};
use super::resident::Language;
use crate::domain::attribution::{TargetOutput, TokenAttribution, TokenAttributionOptions, TokenTarget};
use crate::domain::generation::TextInput;
use crate::domain::text::{ChatMessage, Role, TextExample};
use crate::domain::text_attribution::{TextAttribution, TextAttributionOptions, TextShare};
use crate::domain::{Error, Result};
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::text::{Encoded, word_scores, words};
use crate::ml::torch::{NoGrad, torch_error};

/// Tokens of a text, for what a pass will take.
const USUAL_TEXT: usize = 256;

/// Attributes one text, a chunk of rows a step.
#[derive(Debug)]
pub struct TextAttributionTask {
    encoded: Encoded,
    /// The class explained of a classifier.
    class: Option<u32>,
    task: TokenAttributionTask,
}

impl TextAttributionTask {
    /// # Errors
    /// What the text is refused for: `EMPTY_TEXT`, `EXAMPLE_TOO_LONG`, `NO_CHAT_TEMPLATE`, `INVALID_TOKENS`.
    pub fn new(language: &Language, item: &TextItem, options: &TextAttributionOptions) -> Result<Self> {
        let encoded = language.encode(&example(item)?)?;
        let class = match item.question {
            TextQuestion::Answer(_) => None,
            TextQuestion::Class(Some(class)) => Some(class),
            TextQuestion::Class(None) => Some(predicted(language, &encoded)?),
        };
        let item = TokenItem {
            tokens: encoded.tokens.clone(),
            movable: moved(&encoded),
            answer: encoded.labelled.clone(),
            target: target(class, options.output),
        };
        let (model, adapter) = (language.model().clone(), language.adapter().cloned());
        let task = TokenAttributionTask::new(model, adapter, options.tokens, special(language), vec![item])?;
        Ok(Self { encoded, class, task })
    }

    fn explained(&self, attribution: &TokenAttribution) -> TextAttribution {
        let Encoded { text, offsets, .. } = &self.encoded;
        let is_moved = moved(&self.encoded);
        let moved = offsets.iter().zip(&attribution.scores).zip(&is_moved).filter(|(_, is_moved)| **is_moved);
        let words = words(text, offsets, &is_moved);
        let scores = word_scores(&words, &attribution.scores);
        TextAttribution {
            rendered: text.clone(),
            tokens: moved.map(|((bytes, value), _)| share(*bytes, *value)).collect(),
            words: words
                .iter()
                .zip(scores)
                .map(|(word, value)| share((word.bytes.start, word.bytes.end), value))
                .collect(),
            output: attribution.output,
            baseline_output: attribution.baseline_output,
            delta: attribution.delta,
            relative_delta: attribution.relative_delta,
            converged: attribution.converged,
            steps: attribution.steps,
            baseline: attribution.baseline,
            target: self.class,
        }
    }
}

impl Task for TextAttributionTask {
    type Output = TextAttribution;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<TextAttribution>> {
        self.task.step(reporter)?;
        let Some(FinishedTokens { attributions, .. }) = self.task.finished() else { return Ok(Outcome::Continue) };
        let attributions = attributions?;
        let only = attributions.first().ok_or_else(|| Error::internal("a text was explained without a result"))?;
        Ok(Outcome::Done(self.explained(only)))
    }

    fn position(&self) -> Position {
        self.task.position()
    }
}

impl Language {
    /// What one pass of an attribution keeps for its way back, of a text of usual length.
    pub fn attribution_bytes(&self, options: &TextAttributionOptions) -> u64 {
        self.pass_bytes(&options.tokens, USUAL_TEXT)
    }

    /// The same of texts of `length` tokens: for each token and block some values of the block's width and of its network's (measured on
    /// SmolLM2: 14,600 of them; this gives 16,100), and logits.
    pub fn pass_bytes(&self, options: &TokenAttributionOptions, length: usize) -> u64 {
        let config = self.model().config();
        let rows = options.internal_batch_size as usize;
        let tokens = if rows == 0 { pass_tokens(self.model()).max(length) } else { rows * length };
        let values = tokens * (config.layer_count() * config.block_values() + config.vocabulary_size() / 4);
        (values * size_of::<f32>()) as u64
    }
}

/// What the text says before the answer: no mark of template or tokenizer, and nothing of the answer itself.
fn moved(encoded: &Encoded) -> Vec<bool> {
    encoded.content.iter().zip(&encoded.labelled).map(|(content, is_answer)| *content && !is_answer).collect()
}

fn share((start, end): (usize, usize), value: f64) -> TextShare {
    TextShare { start: start as u32, end: end as u32, value }
}

fn target(class: Option<u32>, output: TargetOutput) -> TokenTarget {
    class.map_or(TokenTarget::Answer, |class| TokenTarget::Class { class, output })
}

/// The text with its answer, or as a classifier reads it.
fn example(item: &TextItem) -> Result<TextExample> {
    let text = item.input.clone();
    Ok(match (&item.question, text) {
        (TextQuestion::Answer(answer), TextInput::Text(prompt)) => {
            TextExample::Completion { prompt, answer: answer.clone() }
        }
        (TextQuestion::Answer(answer), TextInput::Conversation(mut messages)) => {
            messages.push(ChatMessage::new(Role::Assistant, answer.clone()));
            TextExample::Chat { messages }
        }
        (TextQuestion::Class(_), TextInput::Text(text)) => TextExample::Labelled { text, label: 0 },
        (TextQuestion::Class(_), TextInput::Conversation(_)) => {
            let description = "a classifier reads a text as it is; give `text`";
            return Err(Error::invalid("FIELD_NOT_FOR_MODEL", "conversation", description));
        }
    })
}

/// The class that the model gives the text.
fn predicted(language: &Language, encoded: &Encoded) -> Result<u32> {
    let _no_grad = NoGrad::enter();
    let failed = torch_error("classify the text");
    let tokens: Vec<i64> = encoded.tokens.iter().map(|token| i64::from(*token)).collect();
    let tokens = Tensor::f_from_slice(&tokens).and_then(|tokens| tokens.f_unsqueeze(0)).map_err(&failed)?;
    let model = language.model();
    let logits = model.forward(&model.embed(&tokens)?, None, language.adapter().map(Rc::as_ref))?;
    let class = logits.f_argmax(-1, false).and_then(|class| class.f_int64_value(&[0])).map_err(failed)?;
    Ok(class.unsigned_abs() as u32)
}

pub(super) fn special(language: &Language) -> BaselineTokens {
    let special = language.tokenizer().special();
    BaselineTokens { pad: special.pad, mask: special.mask, end: special.eos, unknown: special.unk }
}
