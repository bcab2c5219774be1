//! One attempt at a job: its stages, its events, and its way to the device.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::super::core::{CODE_VERSION, Core};
use super::super::events::store_behind;
use super::super::failure::blocking;
use super::super::feed::Feed;
use super::super::lane::Lane;
use super::super::memo::Key;
use super::super::recovery::{Position, note_position};
use super::super::sources::{ModelUse, Samples};
use crate::device::{CancelToken, RunContext, interruption};
use crate::domain::evaluation::Provenance;
use crate::domain::finetune::Precision;
use crate::domain::ids::JobId;
use crate::domain::job::{EventBody, Job, Progress, Severity};
use crate::domain::{Error, Result};
use crate::ml::evaluation::Predictions;
use crate::storage::atomic::hex;

pub(super) struct Attempt {
    pub(super) core: Arc<Core>,
    pub(super) id: JobId,
    /// For checkpoints and weights that are not published yet.
    pub(super) folder: PathBuf,
    /// SHA-256 of the specification.
    pub(super) config_hash: String,
    cancel: CancelToken,
    deadline: Option<Instant>,
    events: mpsc::Sender<EventBody>,
    feed: Arc<Feed>,
    stages: Vec<(String, Instant)>,
    begin: Instant,
    scribe: JoinHandle<()>,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.scribe.abort();
    }
}

impl Attempt {
    pub(super) fn new(
        core: Arc<Core>,
        job: &Job,
        folder: PathBuf,
        cancel: CancelToken,
        events: mpsc::Sender<EventBody>,
    ) -> Self {
        let feed = core.feeds.of(&job.id);
        feed.progress.send_replace(Progress::default());
        let scribe = tokio::spawn(note_positions(feed.clone(), folder.clone()));
        let config_hash = hex(&Sha256::digest(serde_json::to_vec(&job.spec).unwrap_or_default()));
        Self {
            core,
            id: job.id.clone(),
            folder,
            config_hash,
            cancel,
            deadline: job.deadline().and_then(instant),
            events,
            feed,
            stages: Vec::new(),
            begin: Instant::now(),
            scribe,
        }
    }

    /// Begins a stage; a cancelled job ends here, and one whose time is up.
    pub(super) async fn stage(&mut self, name: &str) -> Result<()> {
        if let Some(error) = interruption(&self.cancel, self.deadline) {
            return Err(error);
        }
        self.stages.push((name.to_owned(), Instant::now()));
        self.event(EventBody::Stage { name: name.to_owned() }).await
    }

    /// Durable, in order with the events of the device.
    pub(super) async fn event(&self, body: EventBody) -> Result<()> {
        self.events.send(body).await.map_err(|_| store_behind())
    }

    pub(super) async fn warn(&self, text: String) -> Result<()> {
        self.event(EventBody::Message { severity: Severity::Warning, text }).await
    }

    /// What work on a device needs from its owner.
    pub(super) fn context(&self) -> RunContext {
        RunContext {
            label: self.id.to_string(),
            cancel: self.cancel.clone(),
            deadline: self.deadline,
            events: self.events.clone(),
            progress: self.feed.progress.clone(),
        }
    }

    /// The way to a device of what jobs and plans share.
    pub(super) fn lane(&self) -> Lane {
        Lane::Job(self.context())
    }

    /// Logits of `model` on the samples at `positions`.
    pub(super) async fn predict(
        &self,
        model: &ModelUse,
        samples: &Samples,
        positions: Vec<usize>,
        precision: Precision,
    ) -> Result<Predictions> {
        self.lane().predict(model, samples, positions, precision).await
    }

    /// Logits of `model` on the whole split; none where the samples have no classes.
    pub(super) async fn predict_all(
        &self,
        model: &ModelUse,
        samples: &Samples,
        precision: Precision,
    ) -> Result<Predictions> {
        if !samples.has_classes() {
            return Ok(Predictions::default());
        }
        let key = Key::of(model, samples, precision);
        if let Some(known) = key.and_then(|key| self.core.memo.get(key)) {
            return Ok(known);
        }
        let found = self.predict(model, samples, (0..samples.len()).collect(), precision).await?;
        if let Some(key) = key {
            self.core.memo.keep(key, &found);
        }
        Ok(found)
    }

    pub(super) fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// Wall time of each stage, in order; the last one ends now.
    pub(super) fn stage_seconds(&self) -> Vec<(String, f64)> {
        let ends = self.stages.iter().skip(1).map(|(_, begin)| *begin).chain([Instant::now()]);
        self.stages.iter().zip(ends).map(|((name, begin), end)| (name.clone(), (end - *begin).as_secs_f64())).collect()
    }

    pub(super) fn provenance(&self, model: &ModelUse, data: &[&Samples], seed: u64) -> Provenance {
        Provenance {
            model_hash: model.version.sha256.clone(),
            data_hashes: data.iter().map(|samples| samples.dataset.content_hash.clone()).collect(),
            config_hash: self.config_hash.clone(),
            seed,
            code_version: CODE_VERSION.to_owned(),
        }
    }
}

/// A time of the wall on this process' clock; one that is past is now.
fn instant(time: SystemTime) -> Option<Instant> {
    Instant::now().checked_add(time.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Keeps the job's last position in its folder, for the recovery after a crash.
async fn note_positions(feed: Arc<Feed>, folder: PathBuf) {
    let mut progress = feed.progress.subscribe();
    while progress.changed().await.is_ok() {
        let Progress { stage, step, .. } = progress.borrow_and_update().clone();
        if note(&folder, Position { stage, step }).await.is_err() {
            return;
        }
    }
}

async fn note(folder: &Path, position: Position) -> std::result::Result<(), Error> {
    let folder = folder.to_owned();
    blocking(move || {
        note_position(&folder, &position);
        Ok(())
    })
    .await
}
