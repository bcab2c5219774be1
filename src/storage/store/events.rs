//! Job events: appended in order without gap, folded into the job's row in the same transaction.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::{Sqlite, Transaction};

use super::connection::{Store, commit};
use super::failure::{failed, from_json, from_sql, to_json, to_sql};
use super::jobs;
use crate::domain::ids::JobId;
use crate::domain::job::{EventBody, Job, JobEvent, apply};
use crate::domain::{Error, ErrorKind, Result};

/// What an append made: the events with their sequence, and the job after them.
#[derive(Debug, Clone, PartialEq)]
pub struct Appended {
    pub job: Job,
    pub events: Vec<JobEvent>,
}

/// What must hold of a job for an append to be accepted; otherwise it is ABORTED and nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The job is in this attempt: what an earlier one still has to say is refused (`STALE_ATTEMPT`).
    Attempt(u32),
    /// The job has not moved since it was read (`JOB_CHANGED`).
    Sequence(u64),
}

impl Store {
    /// Appends `bodies` to the job. A state that may not follow is refused, and then nothing is written.
    pub async fn append_events(&self, id: &JobId, guard: Guard, bodies: Vec<EventBody>) -> Result<Appended> {
        let mut transaction = self.begin().await?;
        let mut job =
            jobs::fetch(&mut *transaction, id).await?.ok_or_else(|| Error::not_found("job", id.to_string()))?;
        guard.check(&job)?;
        let events = append(&mut transaction, &mut job, bodies).await?;
        jobs::update(&mut transaction, &job).await?;
        commit(transaction).await?;
        Ok(Appended { job, events })
    }

    /// At most `limit` events with a sequence above `after`, in order.
    pub async fn events_after(&self, id: &JobId, after: u64, limit: usize) -> Result<Vec<JobEvent>> {
        let rows: Vec<(i64, i64, String)> = sqlx::query_as(
            "SELECT sequence, time, body FROM events WHERE job = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
        )
        .bind(id.id())
        .bind(to_sql(after))
        .bind(to_sql(limit as u64))
        .fetch_all(self.readers())
        .await
        .map_err(failed)?;
        rows.into_iter().map(read_event).collect()
    }
}

fn read_event((sequence, time, body): (i64, i64, String)) -> Result<JobEvent> {
    Ok(JobEvent { sequence: from_sql(sequence), time: from_micros(from_sql(time)), body: from_json(&body)? })
}

/// Numbers, checks, writes and folds; the caller writes the job's row.
pub(super) async fn append(
    transaction: &mut Transaction<'static, Sqlite>,
    job: &mut Job,
    bodies: Vec<EventBody>,
) -> Result<Vec<JobEvent>> {
    let time = from_micros(to_micros(SystemTime::now()));
    let mut events = Vec::with_capacity(bodies.len());
    for body in bodies {
        check_transition(job, &body)?;
        let event = JobEvent { sequence: job.last_sequence + 1, time, body };
        sqlx::query("INSERT INTO events (job, sequence, time, body) VALUES ($1, $2, $3, $4)")
            .bind(job.id.id())
            .bind(to_sql(event.sequence))
            .bind(to_sql(to_micros(time)))
            .bind(to_json(&event.body)?)
            .execute(&mut **transaction)
            .await
            .map_err(failed)?;
        apply(job, &event);
        events.push(event);
    }
    Ok(events)
}

fn check_transition(job: &Job, body: &EventBody) -> Result<()> {
    if job.last_sequence > 0 && job.state.is_terminal() {
        return Err(Error::failed_precondition("JOB_FINISHED", format!("job `{}` has finished", job.id)));
    }
    let EventBody::State { state, .. } = body else { return Ok(()) };
    if job.last_sequence == 0 || job.state.may_become(*state) {
        return Ok(());
    }
    let message = format!("job `{}` is {:?} and cannot become {state:?}", job.id, job.state);
    Err(Error::failed_precondition("JOB_STATE", message))
}

impl Guard {
    fn check(self, job: &Job) -> Result<()> {
        match self {
            Self::Attempt(attempt) if attempt != job.attempt => {
                let message = format!("attempt {attempt} of `{}` is over; attempt {} has begun", job.id, job.attempt);
                Err(Error::new(ErrorKind::Aborted, "STALE_ATTEMPT", message).with_resource("job", job.id.to_string()))
            }
            Self::Sequence(sequence) if sequence != job.last_sequence => {
                let message = format!("`{}` has moved on; read it again and decide anew", job.id);
                Err(Error::new(ErrorKind::Aborted, "JOB_CHANGED", message).with_resource("job", job.id.to_string()))
            }
            Self::Attempt(_) | Self::Sequence(_) => Ok(()),
        }
    }
}

/// Times are kept to the microsecond.
pub(super) fn to_micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn from_micros(micros: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros)
}
