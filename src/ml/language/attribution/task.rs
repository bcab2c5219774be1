//! The attributions of many texts, one chunk of one path a step.

use std::collections::VecDeque;
use std::rc::Rc;

use super::baseline::BaselineTokens;
use super::explained::{Answerer, Explained, MOST_ADAPTIVE_STEPS};
use super::item::TokenItem;
use crate::domain::attribution::{TokenAttribution, TokenAttributionOptions};
use crate::domain::{Error, Result};
use crate::ml::language::LanguageModel;
use crate::ml::language::effort::{Effort, step_tokens};
use crate::ml::language::lora::Adapter;
use crate::ml::step::{Outcome, Position, Reporter, Task};

const MOST_STEPS: u32 = 1024;
const MOST_CHUNK_ROWS: usize = 64;

/// Tokens of one pass forwards and backwards, so that others get their turn soon.
pub(in crate::ml::language) fn pass_tokens(model: &LanguageModel) -> usize {
    step_tokens(model, Effort::Backward)
}

/// One text explained, or why it could not be. Several where each token of an answer is.
#[derive(Debug)]
pub struct FinishedTokens {
    pub index: usize,
    pub attributions: Result<Vec<TokenAttribution>>,
}

/// Explains texts in order. What is wrong with one text is in its result; the others go on.
#[derive(Debug)]
pub struct TokenAttributionTask {
    model: Rc<LanguageModel>,
    adapter: Option<Rc<Adapter>>,
    options: TokenAttributionOptions,
    special: BaselineTokens,
    waiting: VecDeque<TokenItem>,
    current: Option<Explained>,
    finished: VecDeque<FinishedTokens>,
    finished_count: usize,
    rows_done: u64,
}

impl TokenAttributionTask {
    /// # Errors
    /// `INVALID_STEPS`.
    pub fn new(
        model: Rc<LanguageModel>,
        adapter: Option<Rc<Adapter>>,
        options: TokenAttributionOptions,
        special: BaselineTokens,
        items: Vec<TokenItem>,
    ) -> Result<Self> {
        let most = if options.adaptive { MOST_ADAPTIVE_STEPS } else { MOST_STEPS };
        if !(1..=most).contains(&options.steps) {
            return Err(Error::invalid("INVALID_STEPS", "steps", format!("is {}; give 1 to {most}", options.steps)));
        }
        Ok(Self {
            model,
            adapter,
            options,
            special,
            waiting: items.into(),
            current: None,
            finished: VecDeque::new(),
            finished_count: 0,
            rows_done: 0,
        })
    }

    /// The next text that is done, in order.
    pub fn finished(&mut self) -> Option<FinishedTokens> {
        self.finished.pop_front()
    }

    fn advance(&mut self, explained: &mut Explained) -> Result<Option<Vec<TokenAttribution>>> {
        let answerer = Answerer { model: &self.model, adapter: self.adapter.as_deref() };
        self.rows_done += explained.advance(answerer, self.chunk(explained.length()))? as u64;
        if explained.remaining() > 0 { Ok(None) } else { explained.attributions().map(Some) }
    }

    fn begin(&self, item: TokenItem) -> Result<Explained> {
        let answerer = Answerer { model: &self.model, adapter: self.adapter.as_deref() };
        Explained::new(item, self.options, &self.special, answerer)
    }

    /// Rows of a chunk of texts of this length.
    fn chunk(&self, length: usize) -> usize {
        match self.options.internal_batch_size {
            0 => (pass_tokens(&self.model) / length.max(1)).clamp(1, MOST_CHUNK_ROWS),
            rows => rows as usize,
        }
    }

    fn retire(&mut self, attributions: Result<Vec<TokenAttribution>>) {
        self.finished.push_back(FinishedTokens { index: self.finished_count, attributions });
        self.finished_count += 1;
    }
}

/// Faults of the device end the task; what the text or the model's numbers cause belongs to the text.
fn is_of_item(error: &Error) -> bool {
    let own = ["INVALID_TOKENS", "TARGET_OUT_OF_RANGE", "TARGET_MISMATCH", "TOKEN_OUT_OF_RANGE", "CONTEXT_EXCEEDED"];
    error.reason.starts_with("NON_FINITE") || own.contains(&error.reason)
}

impl Task for TokenAttributionTask {
    type Output = ();

    fn step(&mut self, _reporter: &mut dyn Reporter) -> Result<Outcome<()>> {
        let begun = match self.current.take() {
            Some(current) => Ok(current),
            None => match self.waiting.pop_front() {
                Some(item) => self.begin(item),
                None => return Ok(Outcome::Done(())),
            },
        };
        let advanced = begun.and_then(|mut explained| Ok((self.advance(&mut explained)?, explained)));
        match advanced {
            Ok((None, explained)) => self.current = Some(explained),
            Ok((Some(attributions), _)) => self.retire(Ok(attributions)),
            Err(error) if is_of_item(&error) => self.retire(Err(error)),
            Err(error) => return Err(error),
        }
        let is_done = self.current.is_none() && self.waiting.is_empty();
        Ok(if is_done { Outcome::Done(()) } else { Outcome::Continue })
    }

    fn position(&self) -> Position {
        let rows_of_item = self.options.steps as usize + 2;
        let left = self.current.as_ref().map_or(0, Explained::remaining) + self.waiting.len() * rows_of_item;
        Position { stage: "attribute", step: self.rows_done, total: self.rows_done + left as u64 }
    }
}
