//! Job rows: the fold of their events, with the columns that listings filter by.

use sqlx::{Executor, QueryBuilder, Sqlite, Transaction};

use super::connection::{Store, commit};
use super::events::append;
use super::failure::{failed, from_json, to_json, to_sql};
use super::paging::{Page, PageRequest};
use super::requests::{self, RequestKey};
use crate::domain::ids::{JobId, ModelId};
use crate::domain::job::{EventBody, Job, JobKind, JobState};
use crate::domain::submission::Submission;
use crate::domain::{Error, Result};

/// Which jobs a listing shows; every non-empty condition must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    pub states: Vec<JobState>,
    pub kinds: Vec<JobKind>,
    pub model: Option<ModelId>,
}

impl JobFilter {
    /// All that have not finished.
    pub fn unfinished() -> Self {
        let states = vec![JobState::Queued, JobState::Running, JobState::Cancelling, JobState::Interrupted];
        Self { states, ..Self::default() }
    }
}

impl Store {
    /// Makes the job durable with its first event, QUEUED.
    pub async fn insert_job(
        &self,
        id: JobId,
        submission: impl Into<Submission>,
        request: Option<&RequestKey>,
    ) -> Result<Job> {
        let mut transaction = self.begin().await?;
        let now = std::time::SystemTime::now();
        let mut job = Job::queued(id, submission, super::events::from_micros(super::events::to_micros(now)));
        insert(&mut transaction, &job).await?;
        let queued = EventBody::State { state: JobState::Queued, attempt: 1, error: None };
        append(&mut transaction, &mut job, vec![queued]).await?;
        update(&mut transaction, &job).await?;
        requests::note(&mut *transaction, request, &job.id.to_string()).await?;
        commit(transaction).await?;
        Ok(job)
    }

    pub async fn job(&self, id: &JobId) -> Result<Job> {
        fetch(self.readers(), id).await?.ok_or_else(|| Error::not_found("job", id.to_string()))
    }

    /// Newest first.
    pub async fn jobs_page(&self, request: &PageRequest, filter: &JobFilter) -> Result<Page<Job>> {
        let query = format!("jobs {filter:?}");
        let after = request.start_after(&query)?;
        let jobs = self.select(filter, after.as_deref(), request.limit() + 1, Order::NewestFirst).await?;
        Ok(request.page(&query, jobs, |job| job.id.id().to_owned()))
    }

    /// Every job that has not finished, oldest first.
    pub async fn unfinished_jobs(&self) -> Result<Vec<Job>> {
        self.select(&JobFilter::unfinished(), None, i32::MAX as usize, Order::OldestFirst).await
    }

    /// Removes the job, its events and its request id.
    pub async fn delete_job(&self, id: &JobId) -> Result<()> {
        let mut transaction = self.begin().await?;
        for statement in ["DELETE FROM events WHERE job = $1", "DELETE FROM jobs WHERE id = $1"] {
            sqlx::query(statement).bind(id.id()).execute(&mut *transaction).await.map_err(failed)?;
        }
        requests::forget(&mut *transaction, &id.to_string()).await?;
        commit(transaction).await
    }

    async fn select(&self, filter: &JobFilter, after: Option<&str>, limit: usize, order: Order) -> Result<Vec<Job>> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT body FROM jobs WHERE 1 = 1");
        push_any(&mut query, "state", filter.states.iter().map(|state| state_name(*state)));
        push_any(&mut query, "kind", filter.kinds.iter().map(|kind| kind_name(*kind)));
        if let Some(model) = &filter.model {
            query.push(" AND model = ").push_bind(model.id().to_owned());
        }
        if let Some(after) = after {
            query.push(" AND id < ").push_bind(after.to_owned());
        }
        query.push(order.clause()).push(" LIMIT ").push_bind(to_sql(limit as u64));
        let rows: Vec<(String,)> = query.build_query_as().fetch_all(self.readers()).await.map_err(failed)?;
        rows.iter().map(|(body,)| from_json(body)).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum Order {
    NewestFirst,
    OldestFirst,
}

impl Order {
    fn clause(self) -> &'static str {
        match self {
            Self::NewestFirst => " ORDER BY id DESC",
            Self::OldestFirst => " ORDER BY id",
        }
    }
}

/// ` AND column IN (...)`, unless there is nothing to choose from.
fn push_any(query: &mut QueryBuilder<Sqlite>, column: &str, names: impl Iterator<Item = &'static str>) {
    let mut names = names.peekable();
    if names.peek().is_none() {
        return;
    }
    query.push(" AND ").push(column).push(" IN (");
    let mut list = query.separated(", ");
    for name in names {
        list.push_bind(name);
    }
    query.push(")");
}

pub(super) async fn fetch(executor: impl Executor<'_, Database = Sqlite>, id: &JobId) -> Result<Option<Job>> {
    let query = sqlx::query_as("SELECT body FROM jobs WHERE id = $1").bind(id.id());
    let row: Option<(String,)> = query.fetch_optional(executor).await.map_err(failed)?;
    row.map(|(body,)| from_json(&body)).transpose()
}

async fn insert(transaction: &mut Transaction<'static, Sqlite>, job: &Job) -> Result<()> {
    sqlx::query("INSERT INTO jobs (id, state, kind, model, last_sequence, body) VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(job.id.id())
        .bind(state_name(job.state))
        .bind(kind_name(job.spec.kind()))
        .bind(job.spec.model().id())
        .bind(to_sql(job.last_sequence))
        .bind(to_json(job)?)
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn update(transaction: &mut Transaction<'static, Sqlite>, job: &Job) -> Result<()> {
    sqlx::query("UPDATE jobs SET state = $2, last_sequence = $3, body = $4 WHERE id = $1")
        .bind(job.id.id())
        .bind(state_name(job.state))
        .bind(to_sql(job.last_sequence))
        .bind(to_json(job)?)
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

fn state_name(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Cancelling => "cancelling",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
        JobState::Interrupted => "interrupted",
    }
}

fn kind_name(kind: JobKind) -> &'static str {
    match kind {
        JobKind::FineTune => "fine-tune",
        JobKind::Unlearn => "unlearn",
        JobKind::Evaluate => "evaluate",
        JobKind::Membership => "membership",
        JobKind::LearnConcepts => "learn-concepts",
        JobKind::ExtractConcepts => "extract-concepts",
        JobKind::Attribute => "attribute",
    }
}
