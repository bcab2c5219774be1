//! Events of a job, one a line.

use serde::Serialize;

use super::finetune::MetricView;
use super::job::{JobErrorView, ProgressView};
use super::{Outcome, PlanView, View, rfc3339};
use crate::client::table;
use crate::client::words::Words;
use crate::pb::v1::job_event::{Body, message};
use crate::pb::v1::{self};

#[derive(Debug, Serialize)]
pub(crate) struct EventView {
    /// Absent for snapshots, which are not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sequence: Option<i64>,
    pub(crate) time: Option<String>,
    #[serde(flatten)]
    pub(crate) body: BodyView,
}

/// Tagged with `event`.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum BodyView {
    State { state: &'static str, attempt: u32, error: Option<JobErrorView> },
    Stage { name: String },
    Progress(ProgressView),
    Metric(MetricView),
    Checkpoint { step: i64, epoch: u32, size_bytes: u64, sha256: String },
    Message { severity: &'static str, text: String },
    Plan(PlanView),
    Result { result: Option<Outcome> },
    Heartbeat,
}

impl EventView {
    /// None for an event of a kind that this client does not know.
    pub(crate) fn of(job: &str, event: &v1::JobEvent) -> Option<Self> {
        Some(Self {
            sequence: (event.sequence > 0).then_some(event.sequence),
            time: rfc3339(event.time.as_ref()),
            body: BodyView::of(job, event.body.as_ref()?),
        })
    }
}

impl BodyView {
    fn of(job: &str, body: &Body) -> Self {
        match body {
            Body::State(change) => Self::State {
                state: change.state().word(),
                attempt: change.attempt,
                error: change.error.as_ref().map(JobErrorView::of),
            },
            Body::Stage(stage) => Self::Stage { name: stage.name.clone() },
            Body::Progress(progress) => Self::Progress(ProgressView::of(progress)),
            Body::Metric(metric) => Self::Metric(MetricView::of(metric)),
            Body::Checkpoint(saved) => Self::Checkpoint {
                step: saved.step,
                epoch: saved.epoch,
                size_bytes: saved.size_bytes,
                sha256: saved.sha256.clone(),
            },
            Body::Message(said) => {
                Self::Message { severity: message::Severity::word_of(said.severity), text: said.text.clone() }
            }
            Body::Plan(plan) => Self::Plan(PlanView::of(plan)),
            Body::Result(result) => Self::Result { result: Outcome::of_result(job, result) },
            Body::Heartbeat(_) => Self::Heartbeat,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::State { state, error: Some(error), .. } => format!("{state}: {} {}", error.reason, error.message),
            Self::State { state, attempt, error: None } if *attempt > 1 => format!("{state} (attempt {attempt})"),
            Self::State { state, .. } => (*state).to_owned(),
            Self::Stage { name } => format!("stage {name}"),
            Self::Progress(progress) => format!(
                "{} {}/{} at {:.1} steps/s",
                progress.stage, progress.step, progress.total, progress.steps_per_second
            ),
            Self::Metric(metric) => format!("{} {:.5} at step {}", metric.name, metric.value, metric.step),
            Self::Checkpoint { step, epoch, size_bytes, .. } => {
                format!("checkpoint at step {step}, epoch {epoch} ({})", table::bytes(*size_bytes))
            }
            Self::Message { severity, text } => format!("{severity}: {text}"),
            Self::Plan(plan) => format!("plan\n{}", plan.text().trim_end()),
            Self::Result { .. } => "result".to_owned(),
            Self::Heartbeat => "heartbeat".to_owned(),
        }
    }
}

impl View for EventView {
    fn text(&self) -> String {
        let sequence = self.sequence.map_or_else(|| "·".to_owned(), |sequence| sequence.to_string());
        format!("{}  {sequence:>5}  {}", table::time(self.time.as_deref()), self.body.text())
    }
}
