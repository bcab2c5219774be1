//! Goes through the examples of a split: encodes some, sorts them by length so that little is padded, reads them in batches.

use std::sync::Arc;

use crate::domain::Result;
use crate::domain::finetune::Precision;
use crate::domain::text::{TextExample, TextSource};
use crate::ml::language::Reader;
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::torch::{Autocast, NoGrad, check_precision};

/// Examples that are sorted together.
const POOL: usize = 256;
/// Tokens that are made in one step, and at least one example.
const ENCODED_TOKENS: usize = 1 << 16;

/// One question about every example.
pub(super) trait Question {
    /// An example, or a piece of one, ready for the model.
    type Item;
    /// Items that are read together.
    type Batch;
    type Answer;

    const STAGE: &'static str;

    /// In order; none where the example is left out.
    fn encode(&self, reader: &Reader, example: &TextExample) -> Result<Vec<Self::Item>>;

    /// Tokens to make of it, and to sort by.
    fn length(item: &Self::Item) -> usize;

    /// How many items of at most `length` tokens are read together.
    fn rows(&self, length: usize) -> usize;

    fn begin(&self, reader: &Reader, items: Vec<Self::Item>) -> Result<Self::Batch>;

    /// One step; the answers of all items, in order, after the last.
    fn advance(&self, reader: &Reader, batch: &mut Self::Batch) -> Result<Option<Vec<Self::Answer>>>;
}

/// Which piece of which example.
type Place = (usize, usize);

/// Answers every example, in order: as many answers as it had pieces.
#[derive(Debug)]
pub(super) struct Scan<Q: Question> {
    question: Q,
    reader: Reader,
    texts: Arc<dyn TextSource>,
    positions: Vec<usize>,
    precision: Precision,
    /// Examples that were encoded.
    encoded: usize,
    /// Pieces that wait, the shortest first once they are sorted.
    pool: Vec<(Place, Q::Item)>,
    is_sorted: bool,
    batch: Option<(Vec<Place>, Q::Batch)>,
    /// Of each example, with the number of the piece.
    answers: Vec<Vec<(usize, Q::Answer)>>,
}

impl<Q: Question> Scan<Q> {
    /// # Errors
    /// `PRECISION_UNSUPPORTED`.
    pub(super) fn new(
        question: Q,
        reader: Reader,
        texts: Arc<dyn TextSource>,
        positions: Vec<usize>,
        precision: Precision,
    ) -> Result<Self> {
        check_precision(precision, reader.language().model().device())?;
        super::checks::positions(&texts, &positions)?;
        let answers = std::iter::repeat_with(Vec::new).take(positions.len()).collect();
        Ok(Self {
            question,
            reader,
            texts,
            positions,
            precision,
            encoded: 0,
            pool: Vec::new(),
            is_sorted: false,
            batch: None,
            answers,
        })
    }

    fn advance(&mut self) -> Result<()> {
        let _guard = NoGrad::enter();
        let _precision = Autocast::enter(self.precision)?;
        if self.batch.is_none() && !self.is_sorted {
            return self.encode();
        }
        if self.batch.is_none() {
            self.begin()?;
        }
        let Some((places, batch)) = &mut self.batch else { return Ok(()) };
        if let Some(found) = self.question.advance(&self.reader, batch)? {
            for ((example, piece), answer) in places.drain(..).zip(found) {
                self.answers[example].push((piece, answer));
            }
            self.batch = None;
        }
        Ok(())
    }

    /// Some more, until the pool is full or all are encoded.
    fn encode(&mut self) -> Result<()> {
        let mut tokens = 0;
        while self.encoded < self.positions.len() && self.pool.len() < POOL && tokens < ENCODED_TOKENS {
            let position = self.positions[self.encoded];
            let items = self.texts.get(position).and_then(|example| self.question.encode(&self.reader, &example));
            let items = items.map_err(|error| error.saying(&format!("example {position}")))?;
            tokens += items.iter().map(Q::length).sum::<usize>().max(1);
            let index = self.encoded;
            self.pool.extend(items.into_iter().enumerate().map(|(piece, item)| ((index, piece), item)));
            self.encoded += 1;
        }
        if self.encoded == self.positions.len() || self.pool.len() >= POOL {
            self.pool.sort_by_key(|(place, item)| (Q::length(item), *place));
            self.is_sorted = !self.pool.is_empty();
        }
        Ok(())
    }

    /// The longest of those that wait, and as many of the next as may be read with them.
    fn begin(&mut self) -> Result<()> {
        let longest = self.pool.last().map_or(0, |(_, item)| Q::length(item));
        let count = self.question.rows(longest).clamp(1, self.pool.len());
        let (places, items) = self.pool.split_off(self.pool.len() - count).into_iter().unzip();
        self.is_sorted = !self.pool.is_empty();
        self.batch = Some((places, self.question.begin(&self.reader, items)?));
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.encoded == self.positions.len() && self.pool.is_empty() && self.batch.is_none()
    }

    /// Examples that nothing is to be done for any more.
    fn finished(&self) -> usize {
        let reading = self.batch.iter().flat_map(|(places, _)| places.iter());
        let waiting = self.pool.iter().map(|(place, _)| place).chain(reading).filter(|(_, piece)| *piece == 0).count();
        self.encoded - waiting.min(self.encoded)
    }
}

impl<Q: Question> Task for Scan<Q> {
    /// The answers of each example's pieces, in order.
    type Output = Vec<Vec<Q::Answer>>;

    fn step(&mut self, _reporter: &mut dyn Reporter) -> Result<Outcome<Self::Output>> {
        if !self.is_done() {
            self.advance()?;
        }
        if !self.is_done() {
            return Ok(Outcome::Continue);
        }
        let in_order = |mut pieces: Vec<(usize, Q::Answer)>| {
            pieces.sort_by_key(|(piece, _)| *piece);
            pieces.into_iter().map(|(_, answer)| answer).collect()
        };
        Ok(Outcome::Done(std::mem::take(&mut self.answers).into_iter().map(in_order).collect()))
    }

    fn position(&self) -> Position {
        Position { stage: Q::STAGE, step: self.finished() as u64, total: self.positions.len() as u64 }
    }
}
