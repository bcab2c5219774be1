//! How likely a model finds each class of labelled texts: a classifier's logits, or of a model that writes the summed log-probabilities of
//! each class's answer, its end included.

use std::sync::Arc;

use super::ask::{Ask, log_probabilities};
use super::branches::Branches;
use super::checks;
use super::classifier::Classes;
use super::limits::Limits;
use super::reading::{Columns, Reading};
use super::scan::{Question, Scan};
use super::tree::{Sequence, Tree, Wanted};
use crate::domain::finetune::Precision;
use crate::domain::text::{TextExample, TextSource};
use crate::domain::{Error, Result};
use crate::ml::evaluation::Predictions;
use crate::ml::language::{Language, LanguageTask, Reader};
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::text::{Encoder, Outcome as Encoding};

/// Scores every class of every example.
#[derive(Debug)]
pub struct ClassScoreTask {
    scan: Scoring,
    class_count: usize,
    labels: Vec<u32>,
}

/// Which examples are asked about.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) texts: Arc<dyn TextSource>,
    pub(super) positions: Vec<usize>,
    pub(super) labels: Vec<u32>,
    pub(super) precision: Precision,
}

#[derive(Debug)]
enum Scoring {
    Classifier(Scan<Classes>),
    Writer(Scan<Answers>),
}

impl ClassScoreTask {
    /// Example `i` is the one at `positions[i]`, of class `labels[i]`.
    ///
    /// # Errors
    /// `TASK_MISMATCH` for texts without labels, or labels without words for them; `TOO_FEW_CLASSES`; `CLASS_COUNT_MISMATCH`;
    /// `PRECISION_UNSUPPORTED`.
    pub fn new(
        reader: Reader,
        texts: Arc<dyn TextSource>,
        positions: Vec<usize>,
        labels: Vec<u32>,
        precision: Precision,
    ) -> Result<Self> {
        let limits = Limits::of(reader.language());
        Self::within(reader, Asked { texts, positions, labels, precision }, limits)
    }

    pub(super) fn within(reader: Reader, asked: Asked, limits: Limits) -> Result<Self> {
        let Asked { texts, positions, labels, precision } = asked;
        if positions.len() != labels.len() {
            return Err(Error::internal("positions and labels do not fit each other"));
        }
        let class_count = checks::classes(&reader, &texts, &labels)?;
        let scan = match reader.language().model().config().task() {
            LanguageTask::Causal => {
                let question = Answers { class_count, limits };
                Scoring::Writer(Scan::new(question, reader, texts, positions, precision)?)
            }
            LanguageTask::Classify { .. } => {
                Scoring::Classifier(Scan::new(Classes { limits }, reader, texts, positions, precision)?)
            }
        };
        Ok(Self { scan, class_count, labels })
    }

    fn predictions(&mut self, rows: Vec<Vec<Vec<f32>>>) -> Result<Predictions> {
        let logits = rows.into_iter().flatten().flatten().collect::<Vec<f32>>();
        let labels = std::mem::take(&mut self.labels);
        if logits.len() != labels.len() * self.class_count {
            return Err(Error::internal("an example was left without scores"));
        }
        Ok(Predictions { class_count: self.class_count, logits, labels })
    }
}

impl Task for ClassScoreTask {
    type Output = Predictions;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<Predictions>> {
        let outcome = match &mut self.scan {
            Scoring::Classifier(scan) => scan.step(reporter)?,
            Scoring::Writer(scan) => scan.step(reporter)?,
        };
        Ok(match outcome {
            Outcome::Continue => Outcome::Continue,
            Outcome::Done(rows) => Outcome::Done(self.predictions(rows)?),
        })
    }

    fn position(&self) -> Position {
        match &self.scan {
            Scoring::Classifier(scan) => scan.position(),
            Scoring::Writer(scan) => scan.position(),
        }
    }
}

/// An example that has no place for its scores cannot be left out.
pub(super) fn too_long() -> Error {
    let description = "the example does not fit into the context with every answer, and each needs its scores; let prompts be cut, or allow more tokens";
    Error::invalid("EXAMPLE_TOO_LONG", "", description)
}

/// The answers of all classes, of a model that writes.
#[derive(Debug)]
struct Answers {
    class_count: usize,
    limits: Limits,
}

/// Prompts read together, then what follows them.
#[derive(Debug)]
struct AnswerBatch {
    trees: Vec<Tree>,
    reading: Reading,
    branches: Branches,
    /// Summed log-probabilities by example and class.
    sums: Vec<Vec<f64>>,
}

impl Question for Answers {
    type Item = Tree;
    type Batch = AnswerBatch;
    type Answer = Vec<f32>;

    const STAGE: &'static str = "predict";

    fn encode(&self, reader: &Reader, example: &TextExample) -> Result<Vec<Tree>> {
        let encoder = reader.encoder();
        let sequence = |class: usize| sequence(&encoder, example, class as u32);
        let sequences = (0..self.class_count).map(sequence).collect::<Result<Vec<_>>>()?;
        Ok(vec![Tree::new(&sequences, self.limits.group_nodes)])
    }

    fn length(tree: &Tree) -> usize {
        tree.length()
    }

    fn rows(&self, length: usize) -> usize {
        self.limits.rows(length)
    }

    fn begin(&self, reader: &Reader, trees: Vec<Tree>) -> Result<AnswerBatch> {
        let prefixes: Vec<Vec<u32>> = trees.iter().map(|tree| tree.prefix.clone()).collect();
        let more = trees.iter().flat_map(|tree| &tree.groups).map(Vec::len).max().unwrap_or_default();
        Ok(AnswerBatch {
            reading: Reading::new(reader.language(), &prefixes, more)?,
            branches: Branches::default(),
            sums: trees.iter().map(|tree| vec![0.0; tree.class_count]).collect(),
            trees,
        })
    }

    fn advance(&self, reader: &Reader, batch: &mut AnswerBatch) -> Result<Option<Vec<Vec<f32>>>> {
        if !batch.is_done() {
            batch.step(reader.language(), self.limits.columns(batch.trees.len()))?;
        }
        let rows =
            |sums: &Vec<Vec<f64>>| sums.iter().map(|sums| sums.iter().map(|sum| *sum as f32).collect()).collect();
        Ok(batch.is_done().then(|| rows(&batch.sums)))
    }
}

/// The text with the answer of a class, as it would be trained.
fn sequence(encoder: &Encoder<'_>, example: &TextExample, class: u32) -> Result<Sequence> {
    let TextExample::Labelled { text, .. } = example else {
        return Err(Error::internal("an example of labelled texts has no label"));
    };
    match encoder.encode(&TextExample::Labelled { text: text.clone(), label: class })? {
        Encoding::Encoded(encoded) => Ok(Sequence { tokens: encoded.tokens, labelled: encoded.labelled }),
        Encoding::Skipped => Err(too_long()),
    }
}

impl AnswerBatch {
    /// Some columns of the prompts, or of the branches once these are read.
    fn step(&mut self, language: &Language, most: usize) -> Result<()> {
        if let Some(columns) = self.reading.advance(language, most)? {
            return self.add(language, &columns, |batch, row| batch.after_prefix(row));
        }
        let columns = self.branches.advance(language, &mut self.reading, &self.trees, most)?;
        self.add(language, &columns, |batch, row| batch.after_nodes(row))?;
        self.branches.turn(&mut self.reading, &self.trees);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.reading.is_done() && self.trees.iter().all(|tree| tree.groups.len() <= self.branches.group())
    }

    /// What is asked for in a row, by column.
    fn after_prefix(&self, row: usize) -> Vec<(usize, Wanted)> {
        let wanted = self.trees[row].wanted.iter();
        wanted.map(|&(place, wanted)| (self.reading.column(row, place), wanted)).collect()
    }

    fn after_nodes(&self, row: usize) -> Vec<(usize, Wanted)> {
        let nodes = self.trees[row].groups.get(self.branches.group()).into_iter().flatten().enumerate();
        nodes.flat_map(|(column, node)| node.wanted.iter().map(move |&wanted| (column, wanted))).collect()
    }

    /// Adds what the columns say to the sums.
    fn add(
        &mut self,
        language: &Language,
        columns: &Columns,
        wanted: impl Fn(&Self, usize) -> Vec<(usize, Wanted)>,
    ) -> Result<()> {
        let (mut asks, mut owners) = (Vec::new(), Vec::new());
        for row in 0..self.trees.len() {
            for (column, Wanted { class, token }) in wanted(self, row) {
                let Some(column) = columns.place(column) else { continue };
                asks.push(Ask { row, column, token });
                owners.push((row, class));
            }
        }
        let found = log_probabilities(language, &columns.hidden, &asks)?;
        owners.into_iter().zip(found).for_each(|((row, class), log)| self.sums[row][class] += log);
        Ok(())
    }
}
