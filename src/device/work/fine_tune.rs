//! Trains a copy of a version and saves the resulting weights.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file_size;
use crate::device::{Demand, ModelSource, Reservation, Residents, Work};
use crate::domain::Result;
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::{Method, TrainerSpec};
use crate::domain::job::Metric;
use crate::ml::backbone::Backbone;
use crate::ml::finetune::{FineTuneInputs, FineTuneTask, FineTuned};
use crate::ml::poison::TrainingSet;
use crate::ml::step::{Outcome, Position, Reporter, Task};

#[derive(Debug)]
pub struct FineTune {
    /// The version to start from; for `Method::Retrain` only its specification is used.
    pub model: ModelSource,
    pub images: Arc<dyn ImageSource>,
    pub training_set: TrainingSet,
    pub method: Method,
    pub trainer: TrainerSpec,
    /// Where the weights are written, in the model's format.
    pub destination: PathBuf,
    /// Directory of this job's checkpoints and no other's; where there is a whole one, training goes on from it.
    pub checkpoints: PathBuf,
}

/// What training came to, apart from the weights at the destination.
#[derive(Debug, Clone, PartialEq)]
pub struct FineTuneOutput {
    pub steps: u64,
    pub epochs: u32,
    /// Loss and accuracy on the training data at the end.
    pub final_metrics: Vec<Metric>,
    pub early_stopped: bool,
    /// `UTILITY_COLLAPSE` and the like.
    pub flags: Vec<String>,
    pub parameter_count: u64,
    pub size_bytes: u64,
}

impl Work for FineTune {
    type Output = FineTuneOutput;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = FineTuneOutput>>> {
        let Self { model, images, training_set, method, trainer, destination, checkpoints } = self;
        let parent = residents.lease(&model)?;
        let purpose = format!("training `{}`", model.version);
        let demand = Demand::Train { trainer: Box::new(trainer.clone()), samples: training_set.len() };
        let need = residents.need(&model, &demand)?;
        let reservation = residents.reserve(&purpose, need)?;
        let copy = match method {
            Method::Retrain => Backbone::initialise(parent.spec(), trainer.seed, residents.device())?,
            Method::Poison | Method::Train | Method::Finetune | Method::RandomLabel | Method::NegGradPlus => {
                parent.deep_copy()?
            }
        };
        let task = FineTuneTask::resume(FineTuneInputs {
            parent: copy,
            source: images,
            training: training_set,
            method,
            trainer,
            checkpoint_folder: checkpoints,
            cache: Some(residents.cache().clone()),
            baseline_retain_accuracy: None,
        })?;
        Ok(Box::new(Training { task, destination, _reservation: reservation }))
    }
}

/// Training, and in its last step the writing of the weights.
struct Training {
    task: FineTuneTask,
    destination: PathBuf,
    _reservation: Reservation,
}

impl Task for Training {
    type Output = FineTuneOutput;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<FineTuneOutput>> {
        match self.task.step(reporter)? {
            Outcome::Continue => Ok(Outcome::Continue),
            Outcome::Done(tuned) => save(tuned, &self.destination).map(Outcome::Done),
        }
    }

    fn position(&self) -> Position {
        self.task.position()
    }

    fn pause(&mut self, reporter: &mut dyn Reporter) -> Result<()> {
        self.task.pause(reporter)
    }
}

fn save(tuned: FineTuned, destination: &Path) -> Result<FineTuneOutput> {
    let FineTuned { backbone, steps, epochs, final_metrics, early_stopped, flags } = tuned;
    backbone.save(destination, backbone.spec().format)?;
    let (parameter_count, size_bytes) = (backbone.parameter_count(), file_size(destination)?);
    Ok(FineTuneOutput { steps, epochs, final_metrics, early_stopped, flags, parameter_count, size_bytes })
}
