//! Trains a copy of a version and saves the resulting weights.

use std::path::PathBuf;
use std::sync::Arc;

use crate::device::{ModelSource, Residents, Work};
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::{Method, TrainerSpec};
use crate::domain::job::Metric;
use crate::domain::{Error, Result};
use crate::ml::poison::TrainingSet;
use crate::ml::step::Task;

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

    fn start(self, _residents: &mut Residents) -> Result<Box<dyn Task<Output = FineTuneOutput>>> {
        Err(Error::internal("not built yet"))
    }
}
