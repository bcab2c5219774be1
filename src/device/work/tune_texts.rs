//! Trains a language model on texts and saves what came of it: an adapter beside the weights, or a whole model.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{FineTuneOutput, file_size};
use crate::device::{Demand, ModelSource, Reservation, Residents, Work};
use crate::domain::Result;
use crate::domain::text_training::{LoraSpec, TextTrainerSpec, TrainedParameters};
use crate::ml::language::Language;
use crate::ml::language::trainer::{TextFineTuneInputs, TextFineTuneTask, TextSample, TextTuned};
use crate::ml::step::{Outcome, Position, Reporter, Task};

#[derive(Debug)]
pub struct TuneTexts {
    /// The version to start from.
    pub model: ModelSource,
    /// Begin at the weights that the version runs on, without its adapter.
    pub from_base: bool,
    pub forget: Vec<TextSample>,
    pub retain: Vec<TextSample>,
    pub trainer: TextTrainerSpec,
    /// Where the adapter or the whole model is written.
    pub destination: PathBuf,
    /// Directory of this job's checkpoints and no other's; where there is a whole one, training goes on from it.
    pub checkpoints: PathBuf,
}

impl Work for TuneTexts {
    type Output = FineTuneOutput;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = FineTuneOutput>>> {
        let Self { model, from_base, forget, retain, trainer, destination, checkpoints } = self;
        let source = if from_base { model.base.as_deref().unwrap_or(&model) } else { &model };
        let language = residents.lease_language(source)?;
        let longest = forget.iter().chain(&retain).map(|sample| sample.tokens.len()).max().unwrap_or_default();
        let demand = Demand::TrainTexts { trainer: Box::new(trainer.clone()), tokens: longest };
        let need = residents.need(source, &demand)?;
        let reservation = residents.reserve(&format!("training `{}`", model.version), need)?;
        let own = language.adapter().map(|adapter| adapter.copy_to(residents.device())).transpose()?;
        let lora = match &trainer.parameters {
            TrainedParameters::Adapter(lora) => Some(lora.clone()),
            TrainedParameters::All => None,
        };
        let shared = language.model().clone();
        let (model, reference) = match lora {
            Some(_) => (shared, None),
            None => (Rc::new(shared.deep_copy()?), Some(shared)),
        };
        let base_name = source.base.as_deref().unwrap_or(source).version.to_string();
        let task = TextFineTuneTask::resume(TextFineTuneInputs {
            model,
            adapter: own,
            reference,
            forget,
            retain,
            trainer,
            checkpoint_folder: checkpoints,
        })?;
        Ok(Box::new(Tuning { task, language, lora, base_name, destination, _reservation: reservation }))
    }
}

/// Training, and in its last step the writing of what it came to.
struct Tuning {
    task: TextFineTuneTask,
    language: Rc<Language>,
    /// Absent where all parameters are trained.
    lora: Option<LoraSpec>,
    base_name: String,
    destination: PathBuf,
    _reservation: Reservation,
}

impl Task for Tuning {
    type Output = FineTuneOutput;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<FineTuneOutput>> {
        match self.task.step(reporter)? {
            Outcome::Continue => Ok(Outcome::Continue),
            Outcome::Done(tuned) => self.save(tuned).map(Outcome::Done),
        }
    }

    fn position(&self) -> Position {
        self.task.position()
    }

    fn pause(&mut self, reporter: &mut dyn Reporter) -> Result<()> {
        self.task.pause(reporter)
    }
}

impl Tuning {
    fn save(&self, tuned: TextTuned) -> Result<FineTuneOutput> {
        let TextTuned { model, adapter, steps, epochs, final_metrics, early_stopped, skipped: _ } = tuned;
        let target: &Path = &self.destination;
        match (&adapter, &self.lora) {
            (Some(adapter), Some(lora)) => self.language.save_adapter(adapter, lora, &self.base_name, target)?,
            (Some(_) | None, _) => self.language.save_with(model.tensors(), target)?,
        }
        let own = adapter.iter().flat_map(|adapter| adapter.tensors()).map(|(_, tensor)| tensor.numel() as u64);
        Ok(FineTuneOutput {
            steps,
            epochs,
            final_metrics,
            early_stopped,
            flags: Vec::new(),
            parameter_count: own.sum::<u64>()
                + model.tensors().values().map(|tensor| tensor.numel() as u64).sum::<u64>(),
            size_bytes: file_size(target)?,
        })
    }
}
