//! jobs.proto: the events of a job, and the snapshots between them.

use std::time::SystemTime;

use super::common::timestamp;
use super::fields::{count, wire_count};
use super::jobs::wire_error;
use super::names::ClassNames;
use crate::domain::Result;
use crate::domain::job::{Checkpoint, EventBody, JobEvent, Progress, Severity};
use crate::engine::WatchItem;
use crate::pb::v1 as pb;
use crate::pb::v1::job_event::{self, Body};

impl From<Progress> for pb::JobProgress {
    fn from(value: Progress) -> Self {
        let Progress { stage, step, total, steps_per_second, eta_seconds } = value;
        Self { stage, step: wire_count(step), total: wire_count(total), steps_per_second, eta_seconds }
    }
}

impl From<Checkpoint> for job_event::Checkpoint {
    fn from(value: Checkpoint) -> Self {
        let Checkpoint { step, epoch, size_bytes, sha256 } = value;
        Self { step: wire_count(step), epoch, size_bytes, sha256 }
    }
}

impl From<Severity> for job_event::message::Severity {
    fn from(value: Severity) -> Self {
        match value {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
        }
    }
}

/// Snapshots carry the present time and no sequence number.
pub(in crate::rpc) fn job_event(item: WatchItem, names: &ClassNames) -> pb::JobEvent {
    let snapshot = |body| pb::JobEvent { sequence: 0, time: timestamp(SystemTime::now()), body: Some(body) };
    match item {
        WatchItem::Event(JobEvent { sequence, time, body }) => pb::JobEvent {
            sequence: wire_count(sequence),
            time: timestamp(time),
            body: Some(durable_body(body, names)),
        },
        WatchItem::Progress(progress) => snapshot(Body::Progress(progress.into())),
        WatchItem::Heartbeat => snapshot(Body::Heartbeat(job_event::Heartbeat {})),
    }
}

fn durable_body(body: EventBody, names: &ClassNames) -> Body {
    match body {
        EventBody::State { state, attempt, error } => Body::State(job_event::StateChange {
            state: pb::job::State::from(state).into(),
            attempt,
            error: wire_error(state, error),
        }),
        EventBody::Stage { name } => Body::Stage(job_event::Stage { name }),
        EventBody::Metric(metric) => Body::Metric(metric.into()),
        EventBody::Checkpoint(checkpoint) => Body::Checkpoint(checkpoint.into()),
        EventBody::Message { severity, text } => {
            let severity = job_event::message::Severity::from(severity).into();
            Body::Message(job_event::Message { severity, text })
        }
        EventBody::Plan(plan) => Body::Plan(pb::PoisonPlan::named(*plan, names)),
        EventBody::Result(result) => Body::Result(pb::JobResult::named(*result, names)),
    }
}

/// The sequence number after which a watch begins.
pub(in crate::rpc) fn watch_start(after_sequence: i64) -> Result<u64> {
    count(after_sequence, "after_sequence")
}
