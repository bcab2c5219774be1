//! jobs.proto: jobs and their results; events are in `events`. Where a message shows class names, they are given beside the value.

use super::common::timestamp;
use super::fields::wire_count;
use super::names::ClassNames;
use crate::domain::job::{
    FineTuneResult, Job, JobError, JobKind, JobResult, JobSpec, JobState, Metric, Progress, UnlearnResult,
};
use crate::pb::v1 as pb;
use crate::rpc::status::{cancelled_status, job_status};

impl pb::Job {
    /// `progress` is the latest snapshot, while there is one.
    pub(in crate::rpc) fn named(value: Job, progress: Option<Progress>, names: &ClassNames) -> Self {
        let Job {
            id,
            spec,
            priority,
            client,
            timeout,
            memory_bytes,
            create_time,
            state,
            attempt,
            start_time,
            end_time,
            error,
            result,
            last_sequence,
        } = value;
        Self {
            name: id.to_string(),
            kind: pb::job::Kind::from(spec.kind()).into(),
            state: pb::job::State::from(state).into(),
            attempt,
            model: spec.model().to_string(),
            create_time: timestamp(create_time),
            start_time: start_time.and_then(timestamp),
            end_time: end_time.and_then(timestamp),
            last_sequence: wire_count(last_sequence),
            progress: progress.map(Into::into),
            spec: Some(spec.into()),
            result: result.map(|result| pb::JobResult::named(result, names)),
            error: wire_error(state, error),
            priority: pb::Priority::from(priority).into(),
            client,
            timeout: timeout.and_then(|timeout| timeout.try_into().ok()),
            queue_position: 0,
            memory_bytes,
        }
    }
}

/// A cancelled job answers CANCELLED even when nothing more was said.
pub(super) fn wire_error(state: JobState, error: Option<JobError>) -> Option<tonic_types::Status> {
    match (error, state) {
        (Some(error), _) => Some(job_status(error)),
        (None, JobState::Cancelled) => Some(cancelled_status()),
        (
            None,
            JobState::Queued
            | JobState::Running
            | JobState::Cancelling
            | JobState::Succeeded
            | JobState::Failed
            | JobState::Interrupted,
        ) => None,
    }
}

impl From<JobKind> for pb::job::Kind {
    fn from(value: JobKind) -> Self {
        match value {
            JobKind::FineTune => Self::FineTune,
            JobKind::Unlearn => Self::Unlearn,
            JobKind::Evaluate => Self::Evaluate,
            JobKind::Membership => Self::Membership,
            JobKind::LearnConcepts => Self::LearnConcepts,
            JobKind::ExtractConcepts => Self::ExtractConcepts,
            JobKind::Attribute => Self::Attribute,
        }
    }
}

impl From<JobState> for pb::job::State {
    fn from(value: JobState) -> Self {
        match value {
            JobState::Queued => Self::Queued,
            JobState::Running => Self::Running,
            JobState::Cancelling => Self::Cancelling,
            JobState::Succeeded => Self::Succeeded,
            JobState::Failed => Self::Failed,
            JobState::Cancelled => Self::Cancelled,
            JobState::Interrupted => Self::Interrupted,
        }
    }
}

impl From<JobSpec> for pb::JobSpec {
    fn from(value: JobSpec) -> Self {
        use pb::job_spec::Request;
        let request = match value {
            JobSpec::FineTune(spec) => Request::FineTune(spec.into()),
            JobSpec::Unlearn(spec) => Request::Unlearn(spec.into()),
            JobSpec::Evaluate(spec) => Request::Evaluate(spec.into()),
            JobSpec::Membership(spec) => Request::Membership(spec.into()),
            JobSpec::LearnConcepts(spec) => Request::LearnConcepts(spec.into()),
            JobSpec::ExtractConcepts(spec) => Request::ExtractConcepts(spec.into()),
            JobSpec::Attribute(spec) => Request::Attribute(spec.into()),
        };
        Self { request: Some(request) }
    }
}

impl pb::JobResult {
    pub(super) fn named(value: JobResult, names: &ClassNames) -> Self {
        use pb::job_result::Result as Wire;
        let result = match value {
            JobResult::FineTune(result) => Wire::FineTune(pb::FineTuneResult::named(result, names)),
            JobResult::Unlearn(result) => Wire::Unlearn(pb::UnlearnResult::named(result, names)),
            JobResult::Evaluate(report) => Wire::Evaluation(pb::EvaluationReport::named(report, names)),
            JobResult::Membership(report) => Wire::Membership(report.into()),
            JobResult::ConceptBank(bank) => Wire::ConceptBank(bank.into()),
            JobResult::Concepts(report) => Wire::Concepts(pb::ConceptReport::named(report, names)),
            JobResult::Attribution(report) => Wire::Attribution(report.into()),
        };
        Self { result: Some(result) }
    }
}

impl pb::FineTuneResult {
    fn named(value: FineTuneResult, names: &ClassNames) -> Self {
        let FineTuneResult { version, plan, steps, epochs, seconds, final_metrics, early_stopped, flags } = value;
        Self {
            version: version.to_string(),
            plan: plan.map(|plan| pb::PoisonPlan::named(plan, names)),
            steps: wire_count(steps),
            epochs,
            seconds,
            final_metrics: final_metrics.into_iter().map(Into::into).collect(),
            early_stopped,
            flags,
        }
    }
}

impl pb::UnlearnResult {
    fn named(value: UnlearnResult, names: &ClassNames) -> Self {
        let UnlearnResult {
            fine_tune,
            donor,
            donor_rule,
            before,
            after,
            membership_before,
            membership_after,
            concepts,
            residue,
            stage_seconds,
            seconds,
        } = value;
        let stage = |(name, seconds)| pb::unlearn_result::Stage { name, seconds };
        Self {
            version: fine_tune.version.to_string(),
            donor: donor.map(|donor| names.of(donor)).unwrap_or_default(),
            donor_rule: donor_rule.map_or(pb::DonorRule::Unspecified, Into::into).into(),
            fine_tune: Some(pb::FineTuneResult::named(fine_tune, names)),
            before: Some(pb::EvaluationReport::named(before, names)),
            after: Some(pb::EvaluationReport::named(after, names)),
            membership_before: Some(membership_before.into()),
            membership_after: Some(membership_after.into()),
            concepts: concepts.map(|report| pb::ConceptReport::named(report, names)),
            concept_residue: residue.into_iter().map(|left| pb::ConceptResidue::named(left, names)).collect(),
            stages: stage_seconds.into_iter().map(stage).collect(),
            seconds,
        }
    }
}

impl From<Metric> for pb::JobMetric {
    fn from(value: Metric) -> Self {
        let Metric { name, step, value } = value;
        Self { name, step: wire_count(step), value }
    }
}
