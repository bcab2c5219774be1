//! What a model answers to the prompts of examples: always the likeliest token, many prompts at a time.

use std::sync::Arc;

use super::checks;
use super::limits::Limits;
use super::scan::{Question, Scan};
use crate::domain::finetune::Precision;
use crate::domain::text::{TextExample, TextSource, Truncation};
use crate::domain::{Error, Result};
use crate::ml::language::generate::{GenerationBatch, GenerationOptions};
use crate::ml::language::{Language, Reader};
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::text::{EncodeOptions, Encoder};

/// Which examples are asked about.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) texts: Arc<dyn TextSource>,
    pub(super) positions: Vec<usize>,
    pub(super) precision: Precision,
}

/// Answers every example.
#[derive(Debug)]
pub struct AnswerTask(Scan<Prompted>);

impl AnswerTask {
    /// Answers have at most `max_tokens` tokens, for which room is kept behind the prompt.
    ///
    /// # Errors
    /// `NOT_GENERATIVE` for a classifier; `TASK_MISMATCH` for labelled texts without words for their classes; `OUT_OF_RANGE` for no token
    /// or more than the model reads; `PRECISION_UNSUPPORTED`.
    pub fn new(
        reader: Reader,
        texts: Arc<dyn TextSource>,
        positions: Vec<usize>,
        max_tokens: usize,
        precision: Precision,
    ) -> Result<Self> {
        let limits = Limits::of(reader.language());
        Self::within(reader, Asked { texts, positions, precision }, max_tokens, limits)
    }

    pub(super) fn within(reader: Reader, asked: Asked, max_tokens: usize, limits: Limits) -> Result<Self> {
        let Asked { texts, positions, precision } = asked;
        checks::has_answers(&reader, &texts)?;
        let language = reader.language();
        let context = language.model().config().context();
        if !(1..context).contains(&max_tokens) {
            let description =
                format!("is {max_tokens}; the model reads {context} tokens, so give 1 to {}", context - 1);
            return Err(Error::invalid("OUT_OF_RANGE", "max_tokens", description));
        }
        let options = reader.encoder().options;
        let room = options.context.min(context - max_tokens);
        let question = Prompted {
            options: EncodeOptions { context: room, ..options.clone() },
            generation: GenerationOptions { most_tokens: max_tokens, stop: stop_tokens(language), sampling: None },
            limits,
        };
        Scan::new(question, reader, texts, positions, precision).map(Self)
    }
}

impl Task for AnswerTask {
    /// In the order of the positions; nothing for an example whose prompt does not fit.
    type Output = Vec<Option<String>>;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<Self::Output>> {
        Ok(match self.0.step(reporter)? {
            Outcome::Continue => Outcome::Continue,
            Outcome::Done(answers) => Outcome::Done(answers.into_iter().map(|one| one.into_iter().next()).collect()),
        })
    }

    fn position(&self) -> Position {
        self.0.position()
    }
}

/// Those of the tokenizer and of the configuration.
fn stop_tokens(language: &Language) -> Vec<u32> {
    let mut stop = language.tokenizer().special().stop.clone();
    stop.extend(language.model().config().end_tokens());
    stop
}

#[derive(Debug)]
struct Prompted {
    options: EncodeOptions,
    generation: GenerationOptions,
    limits: Limits,
}

#[derive(Debug)]
struct PromptBatch {
    generation: GenerationBatch,
    /// What each was answered so far.
    written: Vec<Vec<u32>>,
}

impl Question for Prompted {
    type Item = Vec<u32>;
    type Batch = PromptBatch;
    type Answer = String;

    const STAGE: &'static str = "answer";

    fn encode(&self, reader: &Reader, example: &TextExample) -> Result<Vec<Vec<u32>>> {
        let encoder = Encoder { options: &self.options, ..reader.encoder() };
        match encoder.prompt(example) {
            Ok(encoded) => Ok(vec![encoded.tokens]),
            Err(error) if error.reason == "EXAMPLE_TOO_LONG" && self.options.truncation != Truncation::Refuse => {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    fn length(tokens: &Vec<u32>) -> usize {
        tokens.len()
    }

    fn rows(&self, length: usize) -> usize {
        self.limits.rows(length + self.generation.most_tokens)
    }

    fn begin(&self, reader: &Reader, prompts: Vec<Vec<u32>>) -> Result<PromptBatch> {
        let (model, adapter) = (reader.language().model().clone(), reader.language().adapter().cloned());
        let written = vec![Vec::new(); prompts.len()];
        Ok(PromptBatch {
            generation: GenerationBatch::new(model, adapter, &prompts, self.generation.clone())?,
            written,
        })
    }

    /// Some columns of the prompts, then a token of each answer.
    fn advance(&self, reader: &Reader, batch: &mut PromptBatch) -> Result<Option<Vec<String>>> {
        if batch.generation.read_ahead(self.limits.columns(batch.written.len()))? {
            return Ok(None);
        }
        let Some(tokens) = batch.generation.step()? else {
            return batch
                .written
                .iter()
                .map(|tokens| self.text(reader.language(), tokens))
                .collect::<Result<_>>()
                .map(Some);
        };
        batch.written.iter_mut().zip(tokens).for_each(|(written, token)| written.extend(token));
        Ok(None)
    }
}

impl Prompted {
    /// Without the token that ended it.
    fn text(&self, language: &Language, tokens: &[u32]) -> Result<String> {
        let said: Vec<u32> = tokens.iter().copied().filter(|token| !self.generation.stop.contains(token)).collect();
        language.tokenizer().decode(&said, true)
    }
}
