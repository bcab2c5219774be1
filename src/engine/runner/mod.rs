//! Running a job: one attempt from RUNNING to its end, one file for each kind of job.
//!
//! ```text
//! start: RUNNING ─► conduct (stages; events through the pump) ─► close: SUCCEEDED | FAILED | CANCELLED | INTERRUPTED
//! ```
//!
//! A stage reads what it needs, lets the device work, and hands on plain values. A failed job leaves its parent version untouched.

mod attacks;
mod attempt;
mod attribute;
mod evaluate;
mod extract_concepts;
mod extract_words;
mod fine_tune;
mod learn_concepts;
mod membership;
mod publish;
mod report;
mod texts;
mod unlearn;

use std::sync::Arc;
use std::time::Duration;

use self::attempt::Attempt;
use super::core::Core;
use super::events::Pump;
use super::failure::{blocking, from_join, job_error};
use super::jobs::cancelled;
use super::recovery::{Position, note_position};
use crate::device::{CancelReason, CancelToken};
use crate::domain::job::{EventBody, Job, JobResult, JobSpec, JobState};
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::atomic;
use crate::storage::store::Guard;

/// How soon the end of a job is written again after the store refused.
const END_RETRY: Duration = Duration::from_secs(2);

/// Begins an attempt in the background; `false` if the job was cancelled or deleted meanwhile.
///
/// # Errors
/// When the store refuses, so that nothing has begun.
pub(super) async fn start(core: &Arc<Core>, job: Job) -> Result<bool> {
    let cancel = core.running.begin(&job.id);
    let running = EventBody::State { state: JobState::Running, attempt: job.attempt, error: None };
    match core.append(&job.id, Guard::Sequence(job.last_sequence), vec![running]).await {
        Ok(job) => {
            core.tasks.spawn(run(core.clone(), job, cancel));
            Ok(true)
        }
        Err(error) => {
            core.running.end(&job.id);
            if !matches!(error.kind, ErrorKind::Aborted | ErrorKind::FailedPrecondition | ErrorKind::NotFound) {
                return Err(error);
            }
            tracing::info!(job = %job.id, error = %error, "job not started");
            Ok(false)
        }
    }
}

async fn run(core: Arc<Core>, job: Job, cancel: CancelToken) {
    tracing::info!(job = %job.id, attempt = job.attempt, "job started");
    // A task of its own, so that a panic is an outcome.
    let conducted = tokio::spawn(conduct(core.clone(), job.clone(), cancel.clone()));
    let outcome = conducted.await.unwrap_or_else(|error| Err(from_join(error)));
    Box::pin(close(&core, &job, outcome, cancel.reason())).await;
    core.running.end(&job.id);
    core.wake.notify_one();
}

async fn conduct(core: Arc<Core>, job: Job, cancel: CancelToken) -> Result<JobResult> {
    let folder = core.layout.job(&job.id);
    let made = folder.clone();
    blocking(move || {
        std::fs::create_dir_all(&made).map_err(|error| atomic::io_failed("make a folder", error))?;
        note_position(&made, &Position::default());
        Ok(())
    })
    .await?;
    let (events, pump) = Pump::start(core.clone(), job.id.clone(), job.attempt);
    let mut attempt = Attempt::new(core, &job, folder, cancel, events);
    let outcome = match &job.spec {
        JobSpec::FineTune(spec) => Box::pin(fine_tune::run(&mut attempt, spec)).await,
        JobSpec::Unlearn(spec) => Box::pin(unlearn::run(&mut attempt, spec)).await,
        JobSpec::Evaluate(spec) => Box::pin(evaluate::run(&mut attempt, spec)).await,
        JobSpec::Membership(spec) => Box::pin(membership::run(&mut attempt, spec)).await,
        JobSpec::LearnConcepts(spec) => Box::pin(learn_concepts::run(&mut attempt, spec)).await,
        JobSpec::Attribute(spec) => Box::pin(attribute::run(&mut attempt, spec)).await,
        JobSpec::ExtractConcepts(spec) => Box::pin(extract_concepts::run(&mut attempt, spec)).await,
    };
    drop(attempt);
    // The pump's failure is the cause of the others.
    pump.finish().await?;
    outcome
}

/// Writes the end of the attempt. While the store refuses (its disk may be full) it is tried again: a job whose end is not written
/// would hold its device for ever.
async fn close(core: &Core, job: &Job, outcome: Result<JobResult>, stopped: Option<CancelReason>) {
    let bodies = ending(job, outcome, stopped);
    loop {
        match core.append(&job.id, Guard::Attempt(job.attempt), bodies.clone()).await {
            Ok(job) => return closed(core, &job).await,
            Err(error) if matches!(error.kind, ErrorKind::Aborted | ErrorKind::FailedPrecondition) => {
                return tracing::warn!(job = %job.id, error = %error, "the job has ended otherwise");
            }
            Err(error) => {
                tracing::error!(job = %job.id, error = ?error, "the end of a job could not be written");
                if gives_up(&bodies) {
                    // It may be what fills the disk.
                    remove_folder(core, job).await;
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(END_RETRY) => {}
            // It stays RUNNING in the store; the next start takes it up.
            () = core.stopping.cancelled() => return,
        }
    }
}

async fn closed(core: &Core, job: &Job) {
    tracing::info!(job = %job.id, state = ?job.state, "job ended");
    if job.state.is_terminal() {
        remove_folder(core, job).await;
    }
}

/// Whether nothing that the job saved is of use any more, even if its end is not written.
fn gives_up(bodies: &[EventBody]) -> bool {
    matches!(bodies, [EventBody::State { state: JobState::Failed | JobState::Cancelled, .. }])
}

async fn remove_folder(core: &Core, job: &Job) {
    let folder = core.layout.job(&job.id);
    if let Err(error) = blocking(move || atomic::remove(&folder)).await {
        tracing::warn!(job = %job.id, error = %error, "the job's folder was not removed");
    }
}

/// The last events of an attempt. A job that finished in the step in which it was asked to stop has finished.
fn ending(job: &Job, outcome: Result<JobResult>, stopped: Option<CancelReason>) -> Vec<EventBody> {
    let state = |state, error: Option<Error>| EventBody::State {
        state,
        attempt: job.attempt,
        error: error.as_ref().map(job_error),
    };
    let error = match outcome {
        Ok(result) => return vec![EventBody::Result(Box::new(result)), state(JobState::Succeeded, None)],
        Err(error) => error,
    };
    tracing::debug!(job = %job.id, error = ?error, "attempt ended with an error");
    match stopped {
        Some(CancelReason::Requested) => vec![state(JobState::Cancelled, Some(cancelled()))],
        Some(CancelReason::Shutdown) => vec![state(JobState::Interrupted, None)],
        None if is_loss_of_device(&error) => vec![state(JobState::Interrupted, Some(error))],
        None => {
            // The client of an internal error is told to look here.
            tracing::error!(job = %job.id, reason = error.reason, error = ?error, "job failed");
            vec![state(JobState::Failed, Some(error))]
        }
    }
}

/// The device is gone, not the job's fault: the daemon ends and the next one takes the job up.
fn is_loss_of_device(error: &Error) -> bool {
    matches!(error.reason, "DEVICE_LOST" | "DEVICE_STOPPING")
}
