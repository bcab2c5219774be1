//! How likely a model that writes finds each labelled token of the examples.

use std::sync::Arc;

use super::ask::{Ask, Foretold, foretold};
use super::checks;
use super::limits::Limits;
use super::reading::Reading;
use super::scan::{Question, Scan};
use crate::domain::Result;
use crate::domain::finetune::Precision;
use crate::domain::text::{TextExample, TextSource};
use crate::ml::language::Reader;
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::text::Encoded;
use crate::ml::text::metrics::TokenScores;

/// Scores the labelled tokens of every example: answers and their ends, of a plain text everything but its first token. A plain text that is
/// longer than the context is read in windows, as in training.
#[derive(Debug)]
pub struct TokenScoreTask(Scan<Labelled>);

impl TokenScoreTask {
    /// # Errors
    /// `NOT_GENERATIVE` for a classifier; `TASK_MISMATCH` for labelled texts without words for their classes; `PRECISION_UNSUPPORTED`.
    pub fn new(
        reader: Reader,
        texts: Arc<dyn TextSource>,
        positions: Vec<usize>,
        precision: Precision,
    ) -> Result<Self> {
        let limits = Limits::of(reader.language());
        Self::within(reader, texts, positions, precision, limits)
    }

    pub(super) fn within(
        reader: Reader,
        texts: Arc<dyn TextSource>,
        positions: Vec<usize>,
        precision: Precision,
        limits: Limits,
    ) -> Result<Self> {
        checks::has_answers(&reader, &texts)?;
        Scan::new(Labelled { limits }, reader, texts, positions, precision).map(Self)
    }
}

impl Task for TokenScoreTask {
    /// In the order of the positions; nothing for an example that does not fit.
    type Output = Vec<Option<TokenScores>>;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<Self::Output>> {
        Ok(match self.0.step(reporter)? {
            Outcome::Continue => Outcome::Continue,
            Outcome::Done(pieces) => Outcome::Done(pieces.into_iter().map(TokenScores::joined).collect()),
        })
    }

    fn position(&self) -> Position {
        self.0.position()
    }
}

#[derive(Debug)]
struct Labelled {
    limits: Limits,
}

#[derive(Debug)]
struct LabelledBatch {
    texts: Vec<Encoded>,
    reading: Reading,
    found: Vec<TokenScores>,
}

impl Question for Labelled {
    type Item = Encoded;
    type Batch = LabelledBatch;
    type Answer = TokenScores;

    const STAGE: &'static str = "score";

    fn encode(&self, reader: &Reader, example: &TextExample) -> Result<Vec<Encoded>> {
        reader.encoder().pieces(example)
    }

    fn length(text: &Encoded) -> usize {
        text.len()
    }

    fn rows(&self, length: usize) -> usize {
        self.limits.rows(length)
    }

    /// The last token is not read: nothing follows it.
    fn begin(&self, reader: &Reader, texts: Vec<Encoded>) -> Result<LabelledBatch> {
        let read = |text: &Encoded| text.tokens[..text.len().saturating_sub(1)].to_vec();
        let rows: Vec<Vec<u32>> = texts.iter().map(read).collect();
        let found = texts.iter().map(|text| TokenScores { text: text.labelled_text(), ..TokenScores::default() });
        Ok(LabelledBatch { reading: Reading::new(reader.language(), &rows, 0)?, found: found.collect(), texts })
    }

    fn advance(&self, reader: &Reader, batch: &mut LabelledBatch) -> Result<Option<Vec<TokenScores>>> {
        let most = self.limits.columns(batch.texts.len());
        if let Some(columns) = batch.reading.advance(reader.language(), most)? {
            let asks = batch.asks(|column| columns.place(column));
            let found = foretold(reader.language(), &columns.hidden, &asks)?;
            asks.iter().zip(found).for_each(|(ask, one)| push(&mut batch.found[ask.row], ask.token, one));
        }
        Ok(batch.reading.is_done().then(|| std::mem::take(&mut batch.found)))
    }
}

impl LabelledBatch {
    /// What is asked for after columns that have a place among those read.
    fn asks(&self, place: impl Fn(usize) -> Option<usize>) -> Vec<Ask> {
        let mut asks = Vec::new();
        for (row, text) in self.texts.iter().enumerate() {
            for at in (1..text.len()).filter(|&at| text.labelled[at]) {
                if let Some(column) = place(self.reading.column(row, at - 1)) {
                    asks.push(Ask { row, column, token: text.tokens[at] });
                }
            }
        }
        asks
    }
}

fn push(scores: &mut TokenScores, token: u32, found: Foretold) {
    scores.tokens.push(token);
    scores.likeliest.push(found.likeliest);
    scores.distributions.push(found.distribution);
}
