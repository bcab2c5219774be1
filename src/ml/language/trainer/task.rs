//! The run as a state machine: one batch a step.

use std::time::{Duration, Instant};

use super::config::{TextFineTuneInputs, TextTuned};
use super::report;
use super::resume::RunState;
use super::run::{Run, Tally};
use super::scan::{Scan, Score, metrics};
use crate::domain::job::{EventBody, Severity};
use crate::domain::text_training::Objective;
use crate::domain::{Error, Result};
use crate::ml::checkpoint::{CheckpointFolder, Latest};
use crate::ml::language::lora::Adapter;
use crate::ml::step::{Outcome, Position, Reporter, Task};

/// An epoch shorter than this is cheaper to repeat than to save. Checkpoints asked for by steps are always saved.
const SHORTEST_SAVED_EPOCH: Duration = Duration::from_secs(2);

/// Trains a language model. Where an adapter is trained the model stays as it is; on error or drop nothing of the parent has changed.
#[derive(Debug)]
pub struct TextFineTuneTask {
    /// Absent after the end.
    run: Option<Run>,
    stage: Stage,
    checkpoints: CheckpointFolder,
    fingerprint: String,
    last_saved: Instant,
    /// Of the newest checkpoint; 0 before the first.
    saved_step: u64,
    /// What is told with the first step.
    notes: Vec<String>,
}

#[derive(Debug)]
enum Stage {
    /// Losses before training.
    Reference(Scan),
    Train,
    Final(Scan),
}

enum Next {
    Stage(Stage),
    Done(Vec<Score>),
}

impl TextFineTuneTask {
    /// A run from the start; checkpoints that are in the folder are removed.
    pub fn new(inputs: TextFineTuneInputs) -> Result<Self> {
        CheckpointFolder::new(inputs.checkpoint_folder.clone()).clear()?;
        Self::resume(inputs)
    }

    /// Goes on from the newest whole checkpoint in the folder, or starts where there is none. With the same inputs the result is,
    /// on the CPU and at the same number of threads, bit for bit that of an uninterrupted run.
    pub fn resume(inputs: TextFineTuneInputs) -> Result<Self> {
        let checkpoints = CheckpointFolder::new(inputs.checkpoint_folder.clone());
        let mut run = Run::new(inputs)?;
        let fingerprint = run.fingerprint()?;
        let Latest { saved, damaged } = checkpoints.latest::<RunState>();
        if let Some(saved) = saved {
            run.restore(&saved, &fingerprint)?;
        }
        let notes = notes(&run, &damaged);
        let (stage, saved_step) = (opening(&run), run.step);
        Ok(Self { run: Some(run), stage, checkpoints, fingerprint, last_saved: Instant::now(), saved_step, notes })
    }

    /// After a step that ended an epoch: how many are done and the step, and a copy of the adapter that is trained.
    pub fn after_epoch(&self) -> Result<Option<(u64, u64, Adapter)>> {
        let Some(run) = self.run.as_ref().filter(|run| run.is_epoch_end()) else { return Ok(None) };
        let Some(adapter) = &run.parameters.adapter else { return Ok(None) };
        Ok(Some((run.step.div_ceil(run.steps_per_epoch), run.step, adapter.copy_to(run.model.device())?)))
    }

    /// Ends training here: what follows is the measure.
    pub fn conclude(&mut self) {
        if let (Some(run), Stage::Train | Stage::Reference(_)) = (&mut self.run, &self.stage) {
            run.early_stopped = true;
            self.stage = measure(run);
        }
    }

    fn advance(&mut self, reporter: &mut dyn Reporter) -> Result<Option<Next>> {
        let Some(run) = &mut self.run else { return Err(ended()) };
        match &mut self.stage {
            Stage::Reference(scan) => {
                let Some(scores) = scan.step(run)? else { return Ok(None) };
                run.before_losses = scores.iter().map(|score| score.loss).collect();
                Ok(Some(Next::Stage(Stage::Train)))
            }
            Stage::Train if run.is_last() => Ok(Some(Next::Stage(measure(run)))),
            Stage::Train => self.train(reporter),
            Stage::Final(scan) => Ok(scan.step(run)?.map(Next::Done)),
        }
    }

    /// One batch and, after the last of an optimiser step, what is due.
    fn train(&mut self, reporter: &mut dyn Reporter) -> Result<Option<Next>> {
        let Some(run) = &mut self.run else { return Err(ended()) };
        let Some(loss) = run.train()? else { return Ok(None) };
        report::step(run, loss, reporter)?;
        let next = if run.is_epoch_end() { close_epoch(run, reporter)? } else { None };
        if next.is_none() && self.is_checkpoint_due() {
            self.save(reporter)?;
        }
        Ok(next)
    }

    fn is_checkpoint_due(&self) -> bool {
        self.run.as_ref().is_some_and(|run| {
            let every = run.trainer.checkpoint_every_steps;
            let asked_for = every > 0 && run.step.is_multiple_of(every);
            asked_for || run.is_epoch_end() && self.last_saved.elapsed() >= SHORTEST_SAVED_EPOCH
        })
    }

    fn save(&mut self, reporter: &mut dyn Reporter) -> Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        let saved =
            self.checkpoints.save(run.step, run.epochs_begun(), &run.state(&self.fingerprint), &run.tensors())?;
        (self.last_saved, self.saved_step) = (Instant::now(), saved.step);
        reporter.event(EventBody::Checkpoint(saved))
    }

    fn finish(&mut self, scores: &[Score]) -> Result<TextTuned> {
        let mut run = self.run.take().ok_or_else(ended)?;
        if !scores.iter().all(|score| score.loss.is_finite()) {
            return Err(run.diverged(f64::NAN, f64::NAN));
        }
        run.parameters.clear_dropout();
        Ok(TextTuned {
            steps: run.step,
            epochs: run.epochs_begun(),
            final_metrics: metrics(scores, run.pool.forget_count, run.step),
            early_stopped: run.early_stopped,
            skipped: run.pool.skipped,
            adapter: run.parameters.adapter,
            model: run.model,
        })
    }
}

impl Task for TextFineTuneTask {
    type Output = TextTuned;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<TextTuned>> {
        for text in std::mem::take(&mut self.notes) {
            reporter.event(EventBody::Message { severity: Severity::Warning, text })?;
        }
        match self.advance(reporter)? {
            None => Ok(Outcome::Continue),
            Some(Next::Stage(stage)) => {
                self.stage = stage;
                Ok(Outcome::Continue)
            }
            Some(Next::Done(scores)) => self.finish(&scores).map(Outcome::Done),
        }
    }

    fn pause(&mut self, reporter: &mut dyn Reporter) -> Result<()> {
        match self.run.as_ref().is_some_and(|run| run.step > self.saved_step && !run.early_stopped) {
            true => self.save(reporter),
            false => Ok(()),
        }
    }

    fn position(&self) -> Position {
        let at = |stage, (step, total)| Position { stage, step, total };
        match &self.stage {
            Stage::Reference(scan) => at("reference", scan.progress()),
            Stage::Train => at("train", self.run.as_ref().map_or((0, 0), |run| (run.step, run.rate.total()))),
            Stage::Final(scan) => at("measure", scan.progress()),
        }
    }
}

fn opening(run: &Run) -> Stage {
    let needs_reference = match run.trainer.objective {
        Objective::Npo { .. } => run.before_losses.is_empty(),
        Objective::Supervised | Objective::GradDiff { .. } | Objective::SimNpo { .. } | Objective::Rmu { .. } => false,
    };
    if needs_reference { Stage::Reference(Scan::new(run.pool.forget_count)) } else { Stage::Train }
}

fn measure(run: &Run) -> Stage {
    Stage::Final(Scan::new(run.pool.samples.len()))
}

/// Reports, forgets the epoch's figures, and says whether training is over.
fn close_epoch(run: &mut Run, reporter: &mut dyn Reporter) -> Result<Option<Next>> {
    report::epoch(run, reporter)?;
    run.early_stopped = report::has_reached_goal(run) && !run.is_last();
    run.tally = Tally::default();
    Ok((run.is_last() || run.early_stopped).then(|| Next::Stage(measure(run))))
}

/// Damage to a checkpoint costs steps and examples without labels teach nothing, which a watcher should know.
fn notes(run: &Run, damaged: &[u64]) -> Vec<String> {
    let step = run.step;
    let damage = damaged.iter().map(|damaged| {
        format!("DATA_LOSS: the checkpoint of step {damaged} is damaged and was passed over; training goes on from step {step}")
    });
    let skipped = run.pool.skipped;
    let skipped =
        (skipped > 0).then(|| format!("{skipped} examples have no labelled token within the cutoff and are left out"));
    damage.chain(skipped).collect()
}

fn ended() -> Error {
    Error::internal("the run has ended already")
}
