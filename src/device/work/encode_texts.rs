//! Turns examples into what a language model is trained on, with the model's own tokenizer and template.

use std::sync::Arc;

use crate::device::{ModelSource, Residents, Work};
use crate::domain::text::{EncodingReport, TextExample, TextOptions, TextSource};
use crate::domain::{Error, Result};
use crate::ml::language::Reader;
use crate::ml::language::trainer::TextSample;
use crate::ml::step::{Outcome, Position, Reporter, Task};

/// Examples of one step.
const CHUNK: usize = 256;

#[derive(Debug)]
pub struct EncodeTexts {
    pub model: ModelSource,
    pub texts: Arc<dyn TextSource>,
    /// Of the dataset; empty where its examples have no labels.
    pub class_names: Vec<String>,
    pub options: TextOptions,
    /// Examples of the forget set, poisoned already.
    pub forget: Vec<TextExample>,
    /// Positions of the retained examples.
    pub retain: Vec<usize>,
    /// Class of the model of each of them; empty where they have none.
    pub retain_labels: Vec<u32>,
}

/// Tokens of both parts, in the order of the request; long plain texts are several samples, and what does not fit is none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EncodedTexts {
    pub forget: Vec<TextSample>,
    pub retain: Vec<TextSample>,
    pub report: EncodingReport,
}

impl Work for EncodeTexts {
    type Output = EncodedTexts;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = EncodedTexts>>> {
        let language = residents.lease_language(&self.model)?;
        let reader = Reader::new(language, &self.class_names, &self.options)?;
        Ok(Box::new(Encoding { order: self, reader, done: 0, encoded: EncodedTexts::default() }))
    }
}

struct Encoding {
    order: EncodeTexts,
    reader: Reader,
    done: usize,
    encoded: EncodedTexts,
}

impl Encoding {
    fn total(&self) -> usize {
        self.order.forget.len() + self.order.retain.len()
    }

    /// One example: first those of the forget set.
    fn encode(&mut self, index: usize) -> Result<()> {
        let forget = self.order.forget.len();
        let example = match self.order.forget.get(index) {
            Some(example) => example.clone(),
            None => self.retained(index - forget)?,
        };
        let named = |error: Error| error.saying(&format!("example {index} of the training set"));
        let pieces = self.reader.encoder().pieces(&example).map_err(named)?;
        self.encoded.report.note(&pieces);
        let side = if index < forget { &mut self.encoded.forget } else { &mut self.encoded.retain };
        side.extend(pieces.into_iter().map(TextSample::from));
        Ok(())
    }

    fn retained(&self, row: usize) -> Result<TextExample> {
        let example = self.order.texts.get(self.order.retain[row])?;
        Ok(match self.order.retain_labels.get(row) {
            Some(label) => example.labelled(*label),
            None => example,
        })
    }
}

impl Task for Encoding {
    type Output = EncodedTexts;

    fn step(&mut self, _reporter: &mut dyn Reporter) -> Result<Outcome<EncodedTexts>> {
        let end = self.total().min(self.done + CHUNK);
        for index in self.done..end {
            self.encode(index)?;
        }
        self.done = end;
        if end < self.total() {
            return Ok(Outcome::Continue);
        }
        Ok(Outcome::Done(std::mem::take(&mut self.encoded)))
    }

    fn position(&self) -> Position {
        Position { stage: "encode", step: self.done as u64, total: self.total() as u64 }
    }
}
