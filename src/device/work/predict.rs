//! What a version answers on samples of a split: the input of evaluation, membership inference and donor choice.

use std::sync::Arc;

use super::part::Part;
use crate::device::{Demand, ModelSource, Reservation, Residents, Work};
use crate::domain::Result;
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::Precision;
use crate::ml::activations::PredictTask;
use crate::ml::evaluation::Predictions;
use crate::ml::step::{Outcome, Position, Reporter, Task};

#[derive(Debug)]
pub struct Predict {
    pub model: ModelSource,
    pub images: Arc<dyn ImageSource>,
    /// Samples of the split, in the order of the answer.
    pub positions: Vec<usize>,
    /// Class of the model of each of them.
    pub labels: Vec<u32>,
    pub precision: Precision,
}

impl Work for Predict {
    type Output = Predictions;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = Predictions>>> {
        let Self { model, images, positions, labels, precision } = self;
        let part = Arc::new(Part::new(images, positions, labels)?);
        let backbone = residents.lease(&model)?;
        let purpose = format!("predicting with `{}`", model.version);
        let need = residents.need(&model, &Demand::Predict { precision, samples: part.len() })?;
        let reservation = residents.reserve(&purpose, need)?;
        let task = PredictTask::new(&backbone, part, precision, Some(residents.cache()))?;
        Ok(Box::new(Prediction { task, _reservation: reservation }))
    }
}

struct Prediction {
    task: PredictTask,
    _reservation: Reservation,
}

impl Task for Prediction {
    type Output = Predictions;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<Predictions>> {
        self.task.step(reporter)
    }

    fn position(&self) -> Position {
        self.task.position()
    }
}
