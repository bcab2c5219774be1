//! The run as a state machine: one batch or one optimiser step a step.

use std::time::{Duration, Instant};

use super::config::{FineTuneInputs, FineTuned, trains_on_features};
use super::head::FeatureData;
use super::images::ImageData;
use super::measure::MeasurePass;
use super::recalibrate::Recalibration;
use super::report;
use super::resume::{RunState, fingerprint};
use super::run::Run;
use super::tally::Tally;
use crate::domain::finetune::BatchNormMode;
use crate::domain::job::{EventBody, Severity};
use crate::domain::{Error, Result};
use crate::ml::activations::FeaturePass;
use crate::ml::checkpoint::{CheckpointFolder, Latest};
use crate::ml::step::{Outcome, Position, Reporter, Task};

/// An epoch shorter than this is cheaper to repeat than to save. Checkpoints asked for by steps are always saved.
const SHORTEST_SAVED_EPOCH: Duration = Duration::from_secs(2);
/// `train.loss` events in an epoch, at most; epochs on features take milliseconds.
const LOSSES_ON_IMAGES: u64 = 50;
const LOSSES_ON_FEATURES: u64 = 4;

/// Trains a model. Works on the copy it was given: on error or drop nothing of the parent has changed.
#[derive(Debug)]
pub struct FineTuneTask {
    /// Absent after the end.
    run: Option<Run>,
    data: Data,
    stage: Stage,
    checkpoints: CheckpointFolder,
    fingerprint: String,
    last_saved: Instant,
    /// Of the newest checkpoint; 0 before the first.
    saved_step: u64,
    /// Steps of checkpoints that were found damaged, until they are told.
    damaged: Vec<u64>,
}

#[derive(Debug)]
enum Data {
    /// Nothing is trained on before the features are there.
    Pending,
    Features(FeatureData),
    Images(ImageData),
}

#[derive(Debug)]
enum Stage {
    Embed(Box<FeaturePass>),
    Baseline(MeasurePass),
    Train,
    EpochEnd(MeasurePass),
    Recalibrate(Recalibration),
    Final(MeasurePass),
}

/// Where the run goes from here.
enum Next {
    Stage(Stage),
    /// With the figures of the final weights.
    Done(Tally),
}

impl FineTuneTask {
    /// A run from the start; checkpoints that are in the folder are removed.
    pub fn new(inputs: FineTuneInputs) -> Result<Self> {
        CheckpointFolder::new(inputs.checkpoint_folder.clone()).clear()?;
        Self::resume(inputs)
    }

    /// Goes on from the newest whole checkpoint in the folder, or starts where there is none. With the same inputs the result is,
    /// on the CPU and at the same number of threads, bit for bit that of an uninterrupted run.
    pub fn resume(inputs: FineTuneInputs) -> Result<Self> {
        let checkpoints = CheckpointFolder::new(inputs.checkpoint_folder.clone());
        let fingerprint = fingerprint(inputs.method, &inputs.trainer, &inputs.training)?;
        let cache = inputs.cache.clone();
        let mut run = Run::new(inputs)?;
        let Latest { saved, damaged } = checkpoints.latest::<RunState>();
        if let Some(saved) = saved {
            run.restore(&saved, &fingerprint)?;
        }
        let saved_step = run.step;
        let (data, stage) = match trains_on_features(&run.backbone, &run.trainer) {
            true => {
                let pass = FeaturePass::new(&run.backbone, run.source.clone(), run.trainer.precision, cache.as_ref())?;
                (Data::Pending, Stage::Embed(Box::new(pass)))
            }
            false => {
                let data = Data::Images(ImageData::new(&run)?);
                let stage = opening(&mut run, &data)?;
                (data, stage)
            }
        };
        let last_saved = Instant::now();
        Ok(Self { run: Some(run), data, stage, checkpoints, fingerprint, last_saved, saved_step, damaged })
    }

    fn advance(&mut self, reporter: &mut dyn Reporter) -> Result<Option<Next>> {
        let Some(run) = &mut self.run else { return Err(Error::internal("the run has ended already")) };
        match &mut self.stage {
            Stage::Embed(pass) => {
                let Some(features) = pass.step()? else { return Ok(None) };
                self.data = Data::Features(FeatureData::new(run, &features)?);
                opening(run, &self.data).map(|stage| Some(Next::Stage(stage)))
            }
            Stage::Baseline(pass) => {
                let Some(tally) = pass.step(run, self.data.features())? else { return Ok(None) };
                run.baseline = tally.retain.accuracy();
                Ok(Some(Next::Stage(Stage::Train)))
            }
            Stage::Train => self.train(reporter),
            Stage::EpochEnd(pass) => match pass.step(run, self.data.features())? {
                Some(tally) => close_epoch(run, &tally, reporter).map(Some),
                None => Ok(None),
            },
            Stage::Recalibrate(pass) => match pass.step(run)? {
                true => Ok(Some(Next::Stage(Stage::Final(MeasurePass::over_images(run)?)))),
                false => Ok(None),
            },
            Stage::Final(pass) => Ok(pass.step(run, self.data.features())?.map(Next::Done)),
        }
    }

    /// One optimiser step and what is due after it.
    fn train(&mut self, reporter: &mut dyn Reporter) -> Result<Option<Next>> {
        let Some(run) = &mut self.run else { return Err(Error::internal("the run has ended already")) };
        let (loss, reports) = match &mut self.data {
            Data::Pending => return Err(Error::internal("training began before its features were there")),
            Data::Features(features) => (features.step(run)?, LOSSES_ON_FEATURES),
            Data::Images(images) => (images.step(run)?, LOSSES_ON_IMAGES),
        };
        report::batch_loss(run, loss, run.steps_per_epoch.div_ceil(reports), reporter)?;
        let ended = run.is_epoch_end();
        if self.is_checkpoint_due() {
            self.save(reporter)?;
        }
        match (&mut self.run, ended) {
            (Some(run), true) => end_epoch(run, &self.data, reporter).map(Some),
            (Some(_) | None, _) => Ok(None),
        }
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
        let state = run.state(&self.fingerprint);
        let saved = self.checkpoints.save(run.step, run.epochs_begun(), &state, &run.tensors())?;
        (self.last_saved, self.saved_step) = (Instant::now(), saved.step);
        reporter.event(EventBody::Checkpoint(saved))
    }

    /// Damage to a checkpoint costs steps, which a watcher should know.
    fn tell_damage(&mut self, reporter: &mut dyn Reporter) -> Result<()> {
        for step in std::mem::take(&mut self.damaged) {
            let text = format!(
                "DATA_LOSS: the checkpoint of step {step} is damaged and was passed over; training goes on from step {}",
                self.saved_step
            );
            reporter.event(EventBody::Message { severity: Severity::Warning, text })?;
        }
        Ok(())
    }

    fn finish(&mut self, tally: &Tally) -> Result<FineTuned> {
        let run = self.run.take().ok_or_else(|| Error::internal("the run has ended already"))?;
        self.data = Data::Pending;
        run.check_finite(tally)?;
        Ok(FineTuned {
            steps: run.step,
            epochs: run.epochs_begun(),
            final_metrics: tally.metrics(run.step),
            early_stopped: run.early_stopped,
            flags: run.flags(tally),
            backbone: run.backbone,
        })
    }
}

impl Task for FineTuneTask {
    type Output = FineTuned;

    fn step(&mut self, reporter: &mut dyn Reporter) -> Result<Outcome<FineTuned>> {
        self.tell_damage(reporter)?;
        match self.advance(reporter)? {
            None => Ok(Outcome::Continue),
            Some(Next::Stage(stage)) => {
                self.stage = stage;
                Ok(Outcome::Continue)
            }
            Some(Next::Done(tally)) => self.finish(&tally).map(Outcome::Done),
        }
    }

    fn pause(&mut self, reporter: &mut dyn Reporter) -> Result<()> {
        match self.run.as_ref().is_some_and(|run| run.step > self.saved_step) {
            true => self.save(reporter),
            false => Ok(()),
        }
    }

    fn position(&self) -> Position {
        let at = |stage, (step, total)| Position { stage, step, total };
        let trained = self.run.as_ref().map_or((0, 0), |run| (run.step, run.rate.total_steps()));
        match &self.stage {
            Stage::Embed(pass) => pass.position(),
            Stage::Baseline(pass) => at("baseline", pass.progress()),
            Stage::Train | Stage::EpochEnd(_) => at("train", trained),
            Stage::Recalibrate(pass) => at("recalibrate", pass.progress()),
            Stage::Final(pass) => at("measure", pass.progress()),
        }
    }
}

impl Data {
    fn features(&self) -> Option<&FeatureData> {
        match self {
            Self::Features(features) => Some(features),
            Self::Pending | Self::Images(_) => None,
        }
    }
}

/// The first stage once there is data: a resumed run may have stopped between an epoch's last step and its end.
fn opening(run: &mut Run, data: &Data) -> Result<Stage> {
    if run.is_epoch_end() {
        return measure(run, data).map(Stage::EpochEnd);
    }
    match run.trainer.early_stop.is_some() && run.baseline.is_none() {
        true => measure(run, data).map(Stage::Baseline),
        false => Ok(Stage::Train),
    }
}

fn measure(run: &Run, data: &Data) -> Result<MeasurePass> {
    match data {
        Data::Features(_) => Ok(MeasurePass::over_features(run)),
        Data::Pending | Data::Images(_) => MeasurePass::over_images(run),
    }
}

/// After an epoch's last step. Looking at images again costs time: in the middle of a run the figures of the batches as they were
/// trained on will do, unless stopping depends on them.
fn end_epoch(run: &mut Run, data: &Data, reporter: &mut dyn Reporter) -> Result<Next> {
    let exact = run.is_last() || run.trainer.early_stop.is_some() || data.features().is_some();
    if exact {
        return measure(run, data).map(|pass| Next::Stage(Stage::EpochEnd(pass)));
    }
    let tally = run.tally;
    close_epoch(run, &tally, reporter)
}

fn close_epoch(run: &mut Run, tally: &Tally, reporter: &mut dyn Reporter) -> Result<Next> {
    run.check_finite(tally)?;
    report::epoch(run, tally, reporter)?;
    run.tally = Tally::default();
    run.early_stopped = run.has_reached_goal(tally) && !run.is_last();
    if !run.is_last() && !run.early_stopped {
        return Ok(Next::Stage(Stage::Train));
    }
    let recalibration = match run.trainer.batch_norm {
        BatchNormMode::RecalibrateOnRetain => Recalibration::start(run)?,
        BatchNormMode::Frozen | BatchNormMode::Update => None,
    };
    Ok(recalibration.map_or(Next::Done(*tally), |pass| Next::Stage(Stage::Recalibrate(pass))))
}
