//! Jobs.

use serde::Serialize;
use tonic_types::RpcStatusExt;

use super::{Outcome, SpecView, View, rfc3339};
use crate::client::words::Words;
use crate::client::{names, table};
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct JobView {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) state: &'static str,
    pub(crate) attempt: u32,
    pub(crate) model: String,
    pub(crate) priority: &'static str,
    /// Who submitted it.
    pub(crate) client: String,
    pub(crate) timeout_seconds: Option<f64>,
    /// While it waits: 1 is next.
    pub(crate) queue_position: Option<u32>,
    /// Device memory that it is foreseen to need.
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) create_time: Option<String>,
    pub(crate) start_time: Option<String>,
    pub(crate) end_time: Option<String>,
    pub(crate) last_sequence: i64,
    pub(crate) progress: Option<ProgressView>,
    pub(crate) spec: Option<SpecView>,
    pub(crate) result: Option<Outcome>,
    pub(crate) error: Option<JobErrorView>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ProgressView {
    pub(crate) stage: String,
    pub(crate) step: i64,
    pub(crate) total: i64,
    pub(crate) steps_per_second: f64,
    pub(crate) eta_seconds: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct JobErrorView {
    pub(crate) code: i32,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl JobView {
    pub(crate) fn of(job: &v1::Job) -> Self {
        Self {
            name: job.name.clone(),
            kind: job.kind().word(),
            state: job.state().word(),
            attempt: job.attempt,
            model: job.model.clone(),
            priority: job.priority().word(),
            client: job.client.clone(),
            timeout_seconds: job
                .timeout
                .as_ref()
                .map(|timeout| timeout.seconds as f64 + f64::from(timeout.nanos) * 1e-9),
            queue_position: Some(job.queue_position).filter(|position| *position > 0),
            memory_bytes: Some(job.memory_bytes).filter(|bytes| *bytes > 0),
            create_time: rfc3339(job.create_time.as_ref()),
            start_time: rfc3339(job.start_time.as_ref()),
            end_time: rfc3339(job.end_time.as_ref()),
            last_sequence: job.last_sequence,
            progress: job.progress.as_ref().map(ProgressView::of),
            spec: SpecView::of(job.spec.as_ref()),
            result: Outcome::of(job),
            error: job.error.as_ref().map(JobErrorView::of),
        }
    }
}

impl JobView {
    /// `queued (3)` for the third in the queue.
    fn state_text(&self) -> String {
        let position = self.queue_position.map(|position| format!(" ({position})")).unwrap_or_default();
        state_text(self.state) + &position
    }
}

impl ProgressView {
    pub(crate) fn of(progress: &v1::JobProgress) -> Self {
        let v1::JobProgress { stage, step, total, steps_per_second, eta_seconds } = progress.clone();
        Self { stage, step, total, steps_per_second, eta_seconds }
    }

    fn text(&self) -> String {
        format!("{} {}/{}", self.stage, self.step, self.total)
    }
}

impl JobErrorView {
    pub(crate) fn of(status: &tonic_types::Status) -> Self {
        Self { code: status.code, reason: reason(status), message: status.message.clone() }
    }
}

/// From the status' ErrorInfo; empty without one.
pub(crate) fn reason(status: &tonic_types::Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

impl View for JobView {
    fn text(&self) -> String {
        let mut rows = vec![
            ("job", self.name.clone()),
            ("kind", self.kind.to_owned()),
            ("state", self.state_text()),
            ("attempt", self.attempt.to_string()),
            ("priority", self.priority.to_owned()),
            ("client", self.client.clone()),
            ("memory", self.memory_bytes.map(table::bytes).unwrap_or_default()),
            ("timeout", self.timeout_seconds.map(table::seconds).unwrap_or_default()),
            ("created", table::time(self.create_time.as_deref())),
            ("started", table::time(self.start_time.as_deref())),
            ("ended", table::time(self.end_time.as_deref())),
            ("progress", self.progress.as_ref().map(ProgressView::text).unwrap_or_default()),
        ];
        rows.extend(self.spec.iter().flat_map(SpecView::rows));
        if let Some(error) = &self.error {
            rows.push(("error", format!("{} {}", error.reason, error.message)));
        }
        let result = self.result.as_ref().map(|result| "\n".to_owned() + &result.text());
        table::pairs(&rows) + &result.unwrap_or_default()
    }
}

fn state_text(state: &str) -> String {
    let styled = console::style(state);
    let styled = match state {
        "succeeded" => styled.green(),
        "failed" => styled.red(),
        "cancelled" | "cancelling" | "interrupted" => styled.yellow(),
        _ => styled,
    };
    styled.to_string()
}

#[derive(Debug, Serialize)]
pub(crate) struct JobList {
    pub(crate) jobs: Vec<JobView>,
}

impl View for JobList {
    fn text(&self) -> String {
        let mut table = table::new(&["job", "kind", "state", "priority", "client", "model", "created", "progress"]);
        for job in &self.jobs {
            table.add_row([
                names::id(&job.name).to_owned(),
                job.kind.to_owned(),
                job.state_text(),
                job.priority.to_owned(),
                job.client.clone(),
                names::short(&job.model),
                table::time(job.create_time.as_deref()),
                job.progress.as_ref().map(ProgressView::text).unwrap_or_default(),
            ]);
        }
        table::text(&table)
    }
}
