//! What the words of a dataset's texts count for: the concepts of a language model.

use crate::device::{ModelSource, Reservation, Residents, Work};
use crate::domain::Result;
use crate::domain::text::TextOptions;
use crate::ml::language::{Reader, WordShareInputs, WordShareTask, WordShares};
use crate::ml::step::{Outcome, Position, Reporter, Task};

#[derive(Debug)]
pub struct ShareWords {
    pub model: ModelSource,
    /// Of the dataset; empty where its examples have no labels.
    pub class_names: Vec<String>,
    pub options: TextOptions,
    pub inputs: WordShareInputs,
}

impl Work for ShareWords {
    type Output = WordShares;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = WordShares>>> {
        let Self { model, class_names, options, inputs } = self;
        let language = residents.lease_language(&model)?;
        let reader = Reader::new(language.clone(), &class_names, &options)?;
        let bytes = language.pass_bytes(&inputs.attribution, inputs.longest(reader.most_tokens())?);
        let reservation = residents.reserve(&format!("weighing words with `{}`", model.version), bytes)?;
        Ok(Box::new(Sharing { task: WordShareTask::new(reader, inputs)?, _reservation: reservation }))
    }
}

struct Sharing {
    task: WordShareTask,
    _reservation: Reservation,
}

impl Task for Sharing {
    type Output = WordShares;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<WordShares>> {
        self.task.step(reporter)
    }

    fn position(&self) -> Position {
        self.task.position()
    }
}
