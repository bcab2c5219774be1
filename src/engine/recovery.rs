//! What becomes of unfinished jobs at start: decided by a pure plan, carried out in short steps.
//!
//! A job found RUNNING means that the daemon died under it. It is taken up again, from its last checkpoint where there is one,
//! unless it dies at the same step every time: then it is likely the cause, and fails.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::core::Core;
use super::failure::{blocking, job_error};
use crate::domain::job::{EventBody, Job, JobError, JobState};
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::atomic;
use crate::storage::store::Guard;

const POSITION: &str = "position.json";
const CRASHES: &str = "crashes.json";
/// So many crashes in a row without getting further are too many, wherever they were.
const MAX_CRASHES_WITHOUT_PROGRESS: usize = 4;

/// Where a job was when it was last heard of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) stage: String,
    pub(super) step: u64,
}

/// An unfinished job in the store, and what its folder tells.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) job: Job,
    pub(super) position: Position,
    /// Where it was in earlier crashes, oldest first.
    pub(super) crashes: Vec<Position>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// It waits already.
    Keep,
    /// It was stopped in good order; it waits for its next attempt.
    Requeue,
    /// The daemon died; it waits for its next attempt, and the crash is noted.
    Resume { crashes: Vec<Position> },
    /// It was to stop anyway.
    Cancel,
    /// It takes the daemon down.
    Fail { position: Position, crash_count: usize },
}

/// Decides; changes nothing.
pub(super) fn plan(found: &Found) -> Action {
    match found.job.state {
        JobState::Queued | JobState::Succeeded | JobState::Failed | JobState::Cancelled => Action::Keep,
        JobState::Interrupted => Action::Requeue,
        JobState::Cancelling => Action::Cancel,
        JobState::Running => {
            let crashes: Vec<Position> = found.crashes.iter().chain([&found.position]).cloned().collect();
            if is_stuck(&crashes) {
                return Action::Fail { position: found.position.clone(), crash_count: crashes.len() };
            }
            Action::Resume { crashes }
        }
    }
}

/// Twice at the same step, or several times without getting beyond the first of them.
fn is_stuck(crashes: &[Position]) -> bool {
    if let [.., before, last] = crashes
        && before == last
    {
        return true;
    }
    let Some(recent) = crashes.len().checked_sub(MAX_CRASHES_WITHOUT_PROGRESS).map(|from| &crashes[from..]) else {
        return false;
    };
    recent.iter().all(|crash| crash.stage == recent[0].stage && crash.step <= recent[0].step)
}

/// Plans for every unfinished job and carries it out.
pub(super) async fn recover(core: &Arc<Core>) -> Result<()> {
    for job in core.store.unfinished_jobs().await? {
        let folder = core.layout.job(&job.id);
        let found = blocking(move || Ok(inspect(job, &folder))).await?;
        let action = plan(&found);
        if action != Action::Keep {
            tracing::info!(job = %found.job.id, state = ?found.job.state, ?action, "unfinished job found");
        }
        execute(core, &found.job, action).await?;
    }
    Ok(())
}

async fn execute(core: &Arc<Core>, job: &Job, action: Action) -> Result<()> {
    let attempt = job.attempt;
    let queued = EventBody::State { state: JobState::Queued, attempt: attempt + 1, error: None };
    let bodies = match action {
        Action::Keep => return Ok(()),
        Action::Requeue => vec![queued],
        Action::Resume { crashes } => {
            note_crashes(core, job, crashes).await?;
            vec![EventBody::State { state: JobState::Interrupted, attempt, error: Some(died()) }, queued]
        }
        Action::Cancel => {
            let error = Error::cancelled("the job was cancelled on request");
            vec![EventBody::State { state: JobState::Cancelled, attempt, error: Some(job_error(&error)) }]
        }
        Action::Fail { position, crash_count } => {
            let error = Some(job_error(&crashing(&position, crash_count)));
            vec![EventBody::State { state: JobState::Failed, attempt, error }]
        }
    };
    core.append(&job.id, Guard::Sequence(job.last_sequence), bodies).await.map(drop)
}

async fn note_crashes(core: &Arc<Core>, job: &Job, crashes: Vec<Position>) -> Result<()> {
    let folder = core.layout.job(&job.id);
    blocking(move || {
        let text = serde_json::to_vec(&crashes)
            .map_err(|error| Error::internal("failed to note a crash").with_source(error))?;
        fs::create_dir_all(&folder).map_err(|error| atomic::io_failed("make a folder", error))?;
        atomic::write(&folder.join(CRASHES), &text)
    })
    .await
}

fn died() -> JobError {
    let message = "the daemon stopped unexpectedly; the job goes on";
    job_error(&Error::new(ErrorKind::Unavailable, "DAEMON_DIED", message))
}

fn crashing(position: &Position, crash_count: usize) -> Error {
    let Position { stage, step } = position;
    let message = format!(
        "the daemon died {crash_count} times while this job ran, the last time in stage `{stage}` at step {step}; \
         try a smaller batch size or another device"
    );
    Error::new(ErrorKind::Aborted, "JOB_CRASHES_DAEMON", message)
}

/// What is missing or unreadable (the machine may have died, too) counts as nothing known.
fn inspect(job: Job, folder: &Path) -> Found {
    let position = read(&folder.join(POSITION)).unwrap_or_default();
    let crashes = read(&folder.join(CRASHES)).unwrap_or_default();
    Found { job, position, crashes }
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Notes where a job is. Not synced: it has to outlive the process, not the machine.
pub(super) fn note_position(folder: &Path, position: &Position) {
    if let Ok(text) = serde_json::to_vec(position)
        && let Err(error) = fs::write(folder.join(POSITION), text)
    {
        tracing::debug!(error = %error, "the position of a job was not noted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dataset::{DataSource, Selector};
    use crate::domain::evaluation::EvaluationSpec;
    use crate::domain::finetune::Precision;
    use crate::domain::job::JobSpec;

    fn at(stage: &str, step: u64) -> Position {
        Position { stage: stage.into(), step }
    }

    fn found(state: JobState, position: Position, crashes: Vec<Position>) -> Found {
        let spec = JobSpec::Evaluate(EvaluationSpec {
            model: "m@1".parse().unwrap(),
            train: None,
            test: DataSource { dataset: "d".parse().unwrap(), split: String::new() },
            forget: Selector::default(),
            reference: None,
            precision: Precision::F32,
            seed: 0,
            text: None,
        });
        let mut job = Job::queued("j".parse().unwrap(), spec, std::time::SystemTime::UNIX_EPOCH);
        job.state = state;
        Found { job, position, crashes }
    }

    #[test]
    fn every_state_has_its_action() {
        let planned = |state| plan(&found(state, at("fine-tune", 7), vec![]));
        assert_eq!(planned(JobState::Queued), Action::Keep);
        assert_eq!(planned(JobState::Interrupted), Action::Requeue);
        assert_eq!(planned(JobState::Cancelling), Action::Cancel);
        assert_eq!(planned(JobState::Running), Action::Resume { crashes: vec![at("fine-tune", 7)] });
        for state in [JobState::Succeeded, JobState::Failed, JobState::Cancelled] {
            assert_eq!(planned(state), Action::Keep);
        }
    }

    #[test]
    fn the_second_crash_at_the_same_step_fails_the_job() {
        let again = found(JobState::Running, at("fine-tune", 7), vec![at("fine-tune", 7)]);
        assert_eq!(plan(&again), Action::Fail { position: at("fine-tune", 7), crash_count: 2 });
        let elsewhere = found(JobState::Running, at("fine-tune", 8), vec![at("fine-tune", 7)]);
        assert!(matches!(plan(&elsewhere), Action::Resume { .. }));
    }

    #[test]
    fn crashes_that_get_further_are_not_held_against_the_job() {
        let steps = |steps: &[u64]| steps.iter().map(|step| at("fine-tune", *step)).collect::<Vec<_>>();
        assert!(matches!(
            plan(&found(JobState::Running, at("fine-tune", 50), steps(&[10, 20, 30, 40]))),
            Action::Resume { .. }
        ));
        assert!(matches!(plan(&found(JobState::Running, at("fine-tune", 6), steps(&[9, 7, 8]))), Action::Fail { .. }));
    }
}
