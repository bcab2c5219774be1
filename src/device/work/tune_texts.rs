//! Trains a language model on texts and saves what came of it: an adapter beside the weights, or a whole model.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::tune_goal::{GoalWatch, Verdict};
use super::{FineTuneOutput, file_size};
use crate::device::{Demand, ModelSource, Reservation, Residents, Work};
use crate::domain::Result;
use crate::domain::job::{EventBody, Severity};
use crate::domain::text_training::{GoalFigures, LoraSpec, TextTrainerSpec, TrainedParameters};
use crate::ml::language::trainer::{TextFineTuneInputs, TextFineTuneTask, TextSample, TextTuned};
use crate::ml::language::{GoalQuestions, Language};
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
    /// What is looked at after each epoch; for adapters alone.
    pub goal: Option<GoalQuestions>,
    /// Where the adapter or the whole model is written.
    pub destination: PathBuf,
    /// Directory of this job's checkpoints and no other's; where there is a whole one, training goes on from it.
    pub checkpoints: PathBuf,
}

impl Work for TuneTexts {
    type Output = FineTuneOutput;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = FineTuneOutput>>> {
        let Self { model, from_base, forget, retain, trainer, goal, destination, checkpoints } = self;
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
        let goal = match (goal, &lora) {
            (Some(questions), Some(lora)) => {
                let parent = language.adapter().map(|adapter| adapter.copy_to(residents.device())).transpose()?;
                let base = language.base().unwrap_or(&language).clone();
                Some(GoalWatch::new(base, parent, lora.clone(), questions, checkpoints.with_file_name("goal"))?)
            }
            (Some(_) | None, _) => None,
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
        Ok(Box::new(Tuning { task, goal, language, lora, base_name, destination, _reservation: reservation }))
    }
}

/// Training, and in its last step the writing of what it came to.
struct Tuning {
    task: TextFineTuneTask,
    goal: Option<GoalWatch>,
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
        if self.look(reporter)? {
            return Ok(Outcome::Continue);
        }
        match self.task.step(reporter)? {
            Outcome::Continue => Ok(Outcome::Continue),
            Outcome::Done(tuned) => self.save(self.chosen(tuned, reporter)?).map(Outcome::Done),
        }
    }

    fn position(&self) -> Position {
        self.goal.as_ref().and_then(GoalWatch::position).unwrap_or_else(|| self.task.position())
    }

    fn pause(&mut self, reporter: &mut dyn Reporter) -> Result<()> {
        self.task.pause(reporter)
    }
}

impl Tuning {
    /// Looks at what the last epoch came to, a step at a time; whether there was something to look at.
    fn look(&mut self, reporter: &mut dyn Reporter) -> Result<bool> {
        let Some(goal) = &mut self.goal else { return Ok(false) };
        match goal.step(reporter)? {
            Some(Outcome::Continue) => return Ok(true),
            Some(Outcome::Done(Verdict::Met)) => self.task.conclude(),
            Some(Outcome::Done(Verdict::GoOn)) | None => {}
        }
        if let Some((epoch, step, adapter)) = self.task.after_epoch()?.filter(|(epoch, ..)| goal.wants(*epoch)) {
            goal.look(epoch, step, adapter)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The best epoch's adapter instead of the last one's.
    fn chosen(&self, tuned: TextTuned, reporter: &mut dyn Reporter) -> Result<TextTuned> {
        let Some((epoch, figures, best)) = self.goal.as_ref().map(GoalWatch::best).transpose()?.flatten() else {
            return Ok(tuned);
        };
        let is_met = self.goal.as_ref().is_some_and(GoalWatch::is_met);
        let (severity, verdict) = match is_met {
            true => (Severity::Info, "meets the goal"),
            false => (Severity::Warning, "does not meet the goal, and no other epoch comes nearer"),
        };
        let GoalFigures { forget, retain } = figures;
        let text = format!("epoch {epoch} is published: it {verdict} (forget {forget:.3}, retain {retain:.3})");
        reporter.event(EventBody::Message { severity, text })?;
        Ok(TextTuned { adapter: Some(best), ..tuned })
    }

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
