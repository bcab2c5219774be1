//! Jobs: submit, look at, cancel, delete, wait.

use std::time::Duration;

use super::core::Core;
use super::failure::{blocking, job_error, precondition};
use super::handle::Engine;
use super::{JobFilter, Page, PageRequest};
use crate::domain::ids::{ConceptBankId, JobId, ModelId};
use crate::domain::job::{EventBody, Job, JobSpec, JobState, Progress};
use crate::domain::submission::{Priority, Submission};
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::atomic;
use crate::storage::store::{Guard, RequestKey};

impl Engine {
    /// Checks all that can be known, makes the job durable, and answers. The same `request_id` gives the same job.
    ///
    /// # Cancel safety
    /// A submission that is dropped may or may not have happened; repeat it with the same `request_id`.
    pub async fn submit(&self, submission: impl Into<Submission>, request_id: Option<String>) -> Result<Job> {
        let core = &self.core;
        let submission = submission.into();
        core.check_ready()?;
        let key = request_id.map(|id| job_key(id, &submission)).transpose()?;
        if let Some(job) = core.submitted_before(key.as_ref()).await? {
            return Ok(job);
        }
        let spec = Box::pin(core.admit(submission.spec)).await?;
        let memory_bytes = Box::pin(core.check_memory(&spec)).await?;
        let submission = Submission { spec, memory_bytes, ..submission };
        self.whole(|engine| async move { engine.core.accept(submission, key).await }).await
    }

    pub async fn get_job(&self, id: &JobId) -> Result<Job> {
        self.core.store.job(id).await
    }

    /// The latest snapshot of a running job.
    pub fn job_progress(&self, id: &JobId) -> Option<Progress> {
        self.core.feeds.progress(id)
    }

    /// Newest first.
    pub async fn list_jobs(&self, page: &PageRequest, filter: &JobFilter) -> Result<Page<Job>> {
        self.core.store.jobs_page(page, filter).await
    }

    /// Asks the job to stop: a waiting one is CANCELLED at once, a running one between two steps. Does nothing to a finished one.
    pub async fn cancel_job(&self, id: &JobId) -> Result<Job> {
        let id = id.clone();
        self.whole(|engine| async move { Box::pin(engine.core.cancel(&id)).await }).await
    }

    /// Forgets a finished job and its events; its version stays.
    pub async fn delete_job(&self, id: &JobId) -> Result<()> {
        let job = self.core.store.job(id).await?;
        if !job.state.is_terminal() {
            let message = format!("`{id}` has not finished; cancel it and wait for its end first");
            return Err(Error::failed_precondition("JOB_NOT_FINISHED", message).with_resource("job", id.to_string()));
        }
        self.core.store.delete_job(id).await?;
        let folder = self.core.layout.job(id);
        blocking(move || atomic::remove(&folder)).await
    }

    /// The job once it has finished, or as it is after `timeout`.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn wait_job(&self, id: &JobId, timeout: Duration) -> Result<Job> {
        match tokio::time::timeout(timeout, self.finished(id)).await {
            Ok(job) => job,
            Err(_) => self.core.store.job(id).await,
        }
    }

    async fn finished(&self, id: &JobId) -> Result<Job> {
        self.core.store.job(id).await?;
        let feed = self.core.feeds.of(id);
        let mut sequence = feed.sequence.subscribe();
        loop {
            sequence.mark_unchanged();
            let job = self.core.store.job(id).await?;
            if job.state.is_terminal() {
                // Waiting may have made a feed after the end; nobody else would close it.
                self.core.feeds.close(id);
                return Ok(job);
            }
            // The feed is held here, so its sender cannot be gone.
            let _ = sequence.changed().await;
        }
    }
}

impl Core {
    /// Once begun it is done: a job that is durable is also told to the scheduler.
    async fn accept(&self, submission: Submission, key: Option<RequestKey>) -> Result<Job> {
        let _gate = self.gate.lock().await;
        if let Some(job) = self.submitted_before(key.as_ref()).await? {
            return Ok(job);
        }
        self.check_room(&submission).await?;
        self.check_still_there(&submission.spec).await?;
        let job = self.store.insert_job(new_id()?, submission, key.as_ref()).await?;
        self.wake.notify_one();
        let (kind, model) = (job.spec.kind(), job.spec.model());
        tracing::info!(job = %job.id, ?kind, %model, client = job.client, priority = ?job.priority, "job accepted");
        Ok(job)
    }

    async fn submitted_before(&self, key: Option<&RequestKey>) -> Result<Option<Job>> {
        let Some(key) = key else { return Ok(None) };
        match self.store.find_request(key).await? {
            Some(name) => Ok(Some(self.store.job(&name.parse()?).await?)),
            None => Ok(None),
        }
    }

    async fn cancel(&self, id: &JobId) -> Result<Job> {
        loop {
            let job = self.store.job(id).await?;
            let (state, guard) = match job.state {
                JobState::Queued | JobState::Interrupted => (JobState::Cancelled, Guard::Sequence(job.last_sequence)),
                JobState::Running => (JobState::Cancelling, Guard::Attempt(job.attempt)),
                JobState::Cancelling | JobState::Succeeded | JobState::Failed | JobState::Cancelled => return Ok(job),
            };
            let error = state.is_terminal().then(|| job_error(&cancelled()));
            let body = EventBody::State { state, attempt: job.attempt, error };
            match self.append(id, guard, vec![body]).await {
                Ok(job) => {
                    self.running.cancel(id);
                    self.wake.notify_one();
                    return Ok(job);
                }
                // The job moved meanwhile: look again.
                Err(error) if matches!(error.kind, ErrorKind::Aborted | ErrorKind::FailedPrecondition) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// One training job a model, one that learns a bank, and bounds on those that wait: in all, and for each client.
    async fn check_room(&self, submission: &Submission) -> Result<()> {
        let unfinished = self.store.unfinished_jobs().await?;
        if let Some(model) = submission.spec.trains()
            && let Some(holder) = unfinished.iter().find(|job| job.spec.trains() == Some(model))
        {
            return Err(busy(model, &holder.id));
        }
        if let Some(bank) = submission.spec.learns()
            && let Some(holder) = unfinished.iter().find(|job| job.spec.learns() == Some(bank))
        {
            return Err(taken(bank, &holder.id));
        }
        let (waiting, limit) = (unfinished.len(), self.options.max_queued_jobs);
        if waiting >= limit {
            let message =
                format!("{waiting} jobs of at most {limit} wait or run already; try again when some have finished");
            return Err(Error::new(ErrorKind::ResourceExhausted, "JOB_QUEUE_FULL", message));
        }
        let client = &submission.client;
        let own = unfinished.iter().filter(|job| job.client == *client).count();
        check_share(client, own, self.options.max_queued_jobs_per_client)
    }

    /// What was found before the gate may have been deleted meanwhile, and what was free may be taken.
    async fn check_still_there(&self, spec: &JobSpec) -> Result<()> {
        for model in super::admission::models_of(spec) {
            self.find_model(model).await?;
        }
        for dataset in spec.datasets() {
            self.store.dataset(dataset).await?;
        }
        if let Some(bank) = spec.concept_bank() {
            self.store.concept_bank(bank).await?;
        }
        match spec.learns() {
            Some(bank) => self.check_bank_free(bank).await,
            None => Ok(()),
        }
    }
}

fn busy(model: &ModelId, holder: &JobId) -> Error {
    let message = format!("`{model}` is being trained by `{holder}`; wait for it or cancel it");
    let holder = holder.to_string();
    Error::failed_precondition("MODEL_BUSY", &message)
        .with_resource("job", holder)
        .with_violation("poison.model", message)
}

fn taken(bank: &ConceptBankId, holder: &JobId) -> Error {
    let description =
        format!("`{bank}` is being learnt by `{holder}` already; wait for it or cancel it, or choose another id");
    precondition("RESOURCE_IN_USE", "concept_bank_id", description).with_resource("job", holder.to_string())
}

/// A limit of 0 is none.
fn check_share(client: &str, own: usize, limit: usize) -> Result<()> {
    if limit == 0 || own < limit {
        return Ok(());
    }
    let message = format!(
        "{own} jobs of `{client}` wait or run already, of at most {limit} for each client; try again when some have finished"
    );
    Err(Error::new(ErrorKind::ResourceExhausted, "CLIENT_QUEUE_FULL", message).with_resource("client", client))
}

/// The same request again: what it asks for, and how. What is as usual is not part of it, so ids from before there were priorities
/// still fit.
fn job_key(id: String, submission: &Submission) -> Result<RequestKey> {
    match (submission.priority, submission.timeout) {
        (Priority::Normal, None) => RequestKey::new("jobs", id, &submission.spec),
        terms => RequestKey::new("jobs", id, &(&submission.spec, terms)),
    }
}

pub(super) fn cancelled() -> Error {
    Error::cancelled("the job was cancelled on request")
}

/// Grows with time, which is the order of listings.
fn new_id() -> Result<JobId> {
    JobId::new(uuid::Uuid::now_v7().to_string())
}
