//! Looks at an adapter after each epoch, and keeps the best that was seen, in files too: a later attempt must not have forgotten it.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::Result;
use crate::domain::disk::io_failed;
use crate::domain::job::{EventBody, Metric};
use crate::domain::text_training::{GoalFigures, LoraSpec};
use crate::ml::files;
use crate::ml::language::lora::{Adapter, AdapterFiles};
use crate::ml::language::{GoalQuestions, GoalTask, Language};
use crate::ml::step::{Outcome, Position, Reporter, Task};

/// What the rule has seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Seen {
    /// Of the version before.
    baseline: GoalFigures,
    best: Option<(u64, GoalFigures)>,
}

/// Whether an epoch meets the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    GoOn,
    Met,
}

pub(super) struct GoalWatch {
    base: Rc<Language>,
    lora: LoraSpec,
    questions: Arc<GoalQuestions>,
    folder: PathBuf,
    seen: Option<Seen>,
    /// Epoch, step and adapter that is looked at; epoch 0 is the version before.
    checking: Option<(u64, u64, GoalTask)>,
    candidate: Option<Adapter>,
    /// Epochs that were looked at in this attempt.
    epochs: u64,
}

impl GoalWatch {
    /// `parent` is the adapter of the version before, whose figures are compared with.
    pub(super) fn new(
        base: Rc<Language>,
        parent: Option<Adapter>,
        lora: LoraSpec,
        questions: GoalQuestions,
        folder: PathBuf,
    ) -> Result<Self> {
        let questions = Arc::new(questions);
        let seen = fs::read(folder.join(SEEN)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let checking = match seen {
            Some(_) => None,
            None => Some((0, 0, GoalTask::new(&base, parent, &questions)?)),
        };
        Ok(Self { base, lora, questions, folder, seen, checking, candidate: None, epochs: 0 })
    }

    pub(super) fn position(&self) -> Option<Position> {
        self.checking.as_ref().map(|(_, _, task)| task.position())
    }

    /// Whether the adapter after `epoch` has not been looked at.
    pub(super) fn wants(&self, epoch: u64) -> bool {
        epoch > self.epochs
    }

    /// Looks at the adapter after `epoch`, in the steps that follow.
    pub(super) fn look(&mut self, epoch: u64, step: u64, adapter: Adapter) -> Result<()> {
        let copy = adapter.copy_to(self.base.model().device())?;
        self.checking = Some((epoch, step, GoalTask::new(&self.base, Some(copy), &self.questions)?));
        (self.candidate, self.epochs) = (Some(adapter), epoch);
        Ok(())
    }

    /// A step of looking; the verdict when it is done, nothing where nothing is looked at.
    pub(super) fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Option<Outcome<Verdict>>> {
        let Some((epoch, step, task)) = &mut self.checking else { return Ok(None) };
        let (epoch, step) = (*epoch, *step);
        let figures = match task.step(reporter)? {
            Outcome::Continue => return Ok(Some(Outcome::Continue)),
            Outcome::Done(figures) => figures,
        };
        self.checking = None;
        for (name, value) in [("goal.forget", figures.forget), ("goal.retain", figures.retain)] {
            reporter.event(EventBody::Metric(Metric { name: name.to_owned(), step, value }))?;
        }
        self.judge(epoch, figures).map(|verdict| Some(Outcome::Done(verdict)))
    }

    fn judge(&mut self, epoch: u64, figures: GoalFigures) -> Result<Verdict> {
        let Some(mut seen) = self.seen.filter(|_| epoch > 0) else {
            self.keep(Seen { baseline: figures, best: None })?;
            return Ok(Verdict::GoOn);
        };
        let goal = &self.questions.clone().goal;
        if seen.best.is_none_or(|(_, best)| goal.prefers(figures, best, seen.baseline)) {
            if let Some(candidate) = self.candidate.take() {
                let path = self.best_path(epoch);
                self.base.save_adapter(&candidate, &self.lora, "", &path)?;
            }
            seen.best = Some((epoch, figures));
            self.keep(seen)?;
        }
        Ok(if goal.is_met(figures, seen.baseline) { Verdict::Met } else { Verdict::GoOn })
    }

    fn keep(&mut self, seen: Seen) -> Result<()> {
        let text = serde_json::to_vec(&seen).unwrap_or_default();
        let write = || {
            fs::create_dir_all(&self.folder)?;
            files::write_atomically(&self.folder.join(SEEN), &text)
        };
        write().map_err(|error| io_failed("write what the goal has seen", error))?;
        self.seen = Some(seen);
        Ok(())
    }

    fn best_path(&self, epoch: u64) -> PathBuf {
        self.folder.join(format!("best-{epoch}.safetensors"))
    }

    /// The best epoch with its figures, and its adapter.
    pub(super) fn best(&self) -> Result<Option<(u64, GoalFigures, Adapter)>> {
        let Some((epoch, figures)) = self.seen.and_then(|seen| seen.best) else { return Ok(None) };
        let loaded = self.base.fit(&AdapterFiles::unpack(&self.best_path(epoch))?)?;
        Ok(Some((epoch, figures, loaded.adapter)))
    }

    /// Whether the best met the rule.
    pub(super) fn is_met(&self) -> bool {
        let met = |seen: Seen| seen.best.is_some_and(|(_, best)| self.questions.goal.is_met(best, seen.baseline));
        self.seen.is_some_and(met)
    }
}

const SEEN: &str = "goal.json";
