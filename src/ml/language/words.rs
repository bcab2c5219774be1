//! What the words of many texts count for: each text's answer, or class, attributed token by token and put together in words.
//!
//! ```text
//! position ─► TextExample ─► Encoded (pieces) ─► TokenAttributionTask, a chunk of rows a step ─► words by offsets ─► shares
//! ```
//! As in the token attribution of Concept Inference Unlearning (`ChangWenhan/Concept_Inference_Unlearn_official`): the explained number
//! is the sum of the answer's log-probabilities, and of a classifier the log-probability of the text's class. We differ from it in the
//! quadrature (theirs is biased), and in the words, which are those of Unicode. A text that does not fit is left out and counted, one
//! whose numbers are not finite too.

use std::ops::Range;
use std::sync::Arc;

use super::attribution::{FinishedTokens, TokenAttributionTask, TokenItem};
use super::config::LanguageTask;
use super::explanation::special;
use super::reader::Reader;
use crate::domain::attribution::{TargetOutput, TokenAttribution, TokenAttributionOptions, TokenTarget};
use crate::domain::text::{TextExample, TextForm, TextSource};
use crate::domain::text_attribution::MovedSpan;
use crate::domain::{Error, Result};
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::text::ranking::{Shares, shares};
use crate::ml::text::{Encoded, word_scores, words};

/// Bytes of a text for each of its tokens, at least so many in most writings; and tokens of a template.
const BYTES_OF_TOKEN: usize = 3;
const TEMPLATE_TOKENS: usize = 64;

#[derive(Debug, Clone)]
pub struct WordShareInputs {
    pub texts: Arc<dyn TextSource>,
    /// Examples of the split, in the order of the answer.
    pub positions: Vec<usize>,
    /// Class of each of them as the model knows it; empty: as the dataset says.
    pub labels: Vec<u32>,
    pub span: MovedSpan,
    pub attribution: TokenAttributionOptions,
}

/// A word of a text and what it counts for.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredWord {
    pub text: String,
    /// Of what the model read.
    pub bytes: Range<usize>,
    pub score: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SharedText {
    /// In the split.
    pub position: usize,
    /// Those of the span that moved, in order.
    pub words: Vec<ScoredWord>,
    pub shares: Shares,
    /// Error of completeness, the largest of its pieces.
    pub relative_delta: f64,
    pub converged: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct WordShares {
    /// In the order that was asked for, without those that were left out.
    pub texts: Vec<SharedText>,
    /// Left out: they do not fit into the context.
    pub skipped: u64,
    /// Left out: output or gradient is not finite.
    pub failed: u64,
    /// Kept, with an error of completeness above 5 %.
    pub unconverged: u64,
}

/// Attributes text after text, a chunk of rows a step.
#[derive(Debug)]
pub struct WordShareTask {
    reader: Reader,
    inputs: WordShareInputs,
    /// Texts that were begun.
    begun: usize,
    current: Option<Current>,
    found: WordShares,
    failure: Option<Error>,
}

/// A text under way; a plain one that is longer than the context comes in several pieces.
#[derive(Debug)]
struct Current {
    position: usize,
    pieces: Vec<Encoded>,
    task: TokenAttributionTask,
    done: Vec<Result<TokenAttribution>>,
}

impl WordShareInputs {
    /// About the tokens of the longest text as a model reads it, at most `most`.
    ///
    /// # Errors
    /// What reading the texts is refused for.
    pub fn longest(&self, most: usize) -> Result<usize> {
        let mut longest = 1;
        for position in &self.positions {
            let tokens = self.texts.get(*position).map(|example| bytes(&example) / BYTES_OF_TOKEN + TEMPLATE_TOKENS)?;
            longest = longest.max(tokens.min(most));
        }
        Ok(longest)
    }
}

fn bytes(example: &TextExample) -> usize {
    match example {
        TextExample::Completion { prompt, answer } => prompt.len() + answer.len(),
        TextExample::Chat { messages } => messages.iter().map(|message| message.content.len() + BYTES_OF_TOKEN).sum(),
        TextExample::Labelled { text, .. } | TextExample::Plain { text } => text.len(),
    }
}

impl WordShareTask {
    /// # Errors
    /// `TASK_MISMATCH` where the model is of another kind than the texts; `INVALID_STEPS`.
    pub fn new(reader: Reader, inputs: WordShareInputs) -> Result<Self> {
        let task = reader.language().model().config().task();
        check(task, inputs.texts.form(), inputs.span)?;
        if !inputs.labels.is_empty() && inputs.labels.len() != inputs.positions.len() {
            let (labels, texts) = (inputs.labels.len(), inputs.positions.len());
            return Err(Error::internal(format!("{labels} labels for {texts} texts")));
        }
        let task = Self { reader, inputs, begun: 0, current: None, found: WordShares::default(), failure: None };
        task.attribution(Vec::new())?;
        Ok(task)
    }

    fn attribution(&self, items: Vec<TokenItem>) -> Result<TokenAttributionTask> {
        let language = self.reader.language();
        let (model, adapter) = (language.model().clone(), language.adapter().cloned());
        TokenAttributionTask::new(model, adapter, self.inputs.attribution, special(language), items)
    }

    /// The next text that fits, if there is one.
    fn begin(&mut self) -> Result<()> {
        let Some(&position) = self.inputs.positions.get(self.begun) else { return Ok(()) };
        let mut example = self.inputs.texts.get(position)?;
        if let (TextExample::Labelled { label, .. }, Some(class)) = (&mut example, self.inputs.labels.get(self.begun)) {
            *label = *class;
        }
        self.begun += 1;
        let pieces = self.reader.encoder().pieces(&example);
        let pieces = pieces.map_err(|error| error.saying(&format!("example {position}")))?;
        if pieces.is_empty() {
            self.found.skipped += 1;
            return Ok(());
        }
        let items = pieces.iter().enumerate().map(|(piece, encoded)| self.item(piece, encoded)).collect();
        let task = self.attribution(items)?;
        self.current = Some(Current { position, pieces, task, done: Vec::new() });
        Ok(())
    }

    fn item(&self, piece: usize, encoded: &Encoded) -> TokenItem {
        let target = match self.reader.language().model().config().task() {
            LanguageTask::Causal => TokenTarget::Answer,
            LanguageTask::Classify { .. } => {
                TokenTarget::Class { class: encoded.label.unwrap_or_default(), output: TargetOutput::LogProbability }
            }
        };
        TokenItem {
            tokens: encoded.tokens.clone(),
            movable: self.moved(piece, encoded),
            answer: encoded.labelled.clone(),
            target,
        }
    }

    /// Tokens that move. A plain text is an answer to nothing, so that all of it does; the first token of its further pieces was the last
    /// of the one before.
    fn moved(&self, piece: usize, encoded: &Encoded) -> Vec<bool> {
        let marks = encoded.content.iter().zip(&encoded.labelled).enumerate();
        let moves = |(place, (content, is_answer)): (usize, (&bool, &bool))| match self.inputs.texts.form() {
            TextForm::Plain => *content && (place > 0 || piece == 0),
            TextForm::Completion | TextForm::Chat | TextForm::Labelled => {
                *content && *is_answer == (self.inputs.span == MovedSpan::Answer)
            }
        };
        marks.map(moves).collect()
    }

    fn advance(&mut self, mut current: Current, reporter: &mut dyn Reporter) -> Result<()> {
        current.task.step(reporter)?;
        while let Some(FinishedTokens { attributions, .. }) = current.task.finished() {
            current.done.push(attributions.and_then(only));
        }
        if current.done.len() < current.pieces.len() {
            self.current = Some(current);
        } else {
            self.finish(current);
        }
        Ok(())
    }

    fn finish(&mut self, current: Current) {
        let Current { position, pieces, done, .. } = current;
        match done.into_iter().collect::<Result<Vec<_>>>() {
            Ok(attributions) => {
                let text = self.shared(position, &pieces, &attributions);
                self.found.unconverged += u64::from(!text.converged);
                self.found.texts.push(text);
            }
            Err(error) => {
                self.found.failed += 1;
                self.failure.get_or_insert_with(|| error.saying(&format!("example {position}")));
            }
        }
    }

    fn shared(&self, position: usize, pieces: &[Encoded], attributions: &[TokenAttribution]) -> SharedText {
        let mut scored: Vec<ScoredWord> = Vec::new();
        for (piece, (encoded, attribution)) in pieces.iter().zip(attributions).enumerate() {
            let words = words(&encoded.text, &encoded.offsets, &self.moved(piece, encoded));
            for (word, score) in words.iter().zip(word_scores(&words, &attribution.scores)) {
                match scored.last_mut().filter(|last| last.bytes == word.bytes) {
                    Some(last) => last.score += score,
                    None => scored.push(ScoredWord { text: word.text.clone(), bytes: word.bytes.clone(), score }),
                }
            }
        }
        SharedText {
            position,
            shares: shares(scored.iter().map(|word| (word.text.as_str(), word.score))),
            words: scored,
            relative_delta: attributions.iter().map(|piece| piece.relative_delta).fold(0.0, f64::max),
            converged: attributions.iter().all(|piece| piece.converged),
        }
    }

    /// Where no text is left, what the first failed of.
    fn end(&mut self) -> Result<Outcome<WordShares>> {
        match self.failure.take() {
            Some(error) if self.found.texts.is_empty() => Err(error),
            Some(_) | None => Ok(Outcome::Done(std::mem::take(&mut self.found))),
        }
    }
}

impl Task for WordShareTask {
    type Output = WordShares;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<WordShares>> {
        match self.current.take() {
            Some(current) => self.advance(current, reporter)?,
            None => self.begin()?,
        }
        if self.current.is_some() || self.begun < self.inputs.positions.len() {
            return Ok(Outcome::Continue);
        }
        self.end()
    }

    fn position(&self) -> Position {
        let done = self.begun - usize::from(self.current.is_some());
        Position { stage: "attribute", step: done as u64, total: self.inputs.positions.len() as u64 }
    }
}

fn only(attributions: Vec<TokenAttribution>) -> Result<TokenAttribution> {
    attributions.into_iter().next().ok_or_else(|| Error::internal("a text was explained without a result"))
}

fn check(task: &LanguageTask, form: TextForm, span: MovedSpan) -> Result<()> {
    let is_labelled = form == TextForm::Labelled;
    if matches!(task, LanguageTask::Classify { .. }) && !is_labelled {
        let description =
            format!("a classifier reads labelled texts, and these are {form}; give the other kind of data");
        return Err(Error::invalid("TASK_MISMATCH", "dataset", description));
    }
    if is_labelled && span == MovedSpan::Answer {
        return Err(Error::internal("a label has no words of its own that could move; those of the text do"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
