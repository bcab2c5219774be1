//! Jobs and their events. The state of a job is a fold of `apply` over its events.
//!
//! ```text
//! QUEUED ──► RUNNING(attempt) ──► SUCCEEDED | FAILED
//!   ▲            │      └──► CANCELLING ──► CANCELLED
//!   └─ INTERRUPTED (the daemon stopped; goes on as attempt + 1)
//! ```

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::attribution::{AttributeDatasetSpec, AttributionReport};
use super::concept::{ConceptBankRecord, ConceptReport, ConceptResidue, ExtractConceptsSpec, LearnConceptsSpec};
use super::evaluation::{EvaluationReport, EvaluationSpec};
use super::finetune::{FineTuneSpec, UnlearnSpec};
use super::ids::{ConceptBankId, DatasetId, JobId, ModelId, VersionName};
use super::membership::{MembershipReport, MembershipSpec};
use super::poison::{DonorRule, PoisonPlan};
use super::submission::{Priority, Submission};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum JobSpec {
    FineTune(FineTuneSpec),
    Unlearn(UnlearnSpec),
    Evaluate(EvaluationSpec),
    Membership(MembershipSpec),
    LearnConcepts(LearnConceptsSpec),
    ExtractConcepts(ExtractConceptsSpec),
    Attribute(AttributeDatasetSpec),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobKind {
    FineTune,
    Unlearn,
    Evaluate,
    Membership,
    LearnConcepts,
    ExtractConcepts,
    Attribute,
}

impl JobSpec {
    pub fn kind(&self) -> JobKind {
        match self {
            Self::FineTune(_) => JobKind::FineTune,
            Self::Unlearn(_) => JobKind::Unlearn,
            Self::Evaluate(_) => JobKind::Evaluate,
            Self::Membership(_) => JobKind::Membership,
            Self::LearnConcepts(_) => JobKind::LearnConcepts,
            Self::ExtractConcepts(_) => JobKind::ExtractConcepts,
            Self::Attribute(_) => JobKind::Attribute,
        }
    }

    /// The model the job is about.
    pub fn model(&self) -> &ModelId {
        match self {
            Self::FineTune(spec) => spec.poison.model.model(),
            Self::Unlearn(spec) => spec.fine_tune.poison.model.model(),
            Self::Evaluate(spec) => spec.model.model(),
            Self::Membership(spec) => spec.model.model(),
            Self::LearnConcepts(spec) => spec.model.model(),
            Self::ExtractConcepts(spec) => spec.model.model(),
            Self::Attribute(spec) => spec.model.model(),
        }
    }

    /// The model whose one training slot the job takes.
    pub fn trains(&self) -> Option<&ModelId> {
        match self {
            Self::FineTune(_) | Self::Unlearn(_) => Some(self.model()),
            Self::Evaluate(_)
            | Self::Membership(_)
            | Self::LearnConcepts(_)
            | Self::ExtractConcepts(_)
            | Self::Attribute(_) => None,
        }
    }

    pub fn datasets(&self) -> Vec<&DatasetId> {
        match self {
            Self::FineTune(spec) => vec![&spec.poison.train.dataset],
            Self::Unlearn(spec) => vec![&spec.fine_tune.poison.train.dataset, &spec.test.dataset],
            Self::Evaluate(spec) => {
                spec.train.iter().map(|source| &source.dataset).chain([&spec.test.dataset]).collect()
            }
            Self::Membership(spec) => vec![&spec.train.dataset, &spec.test.dataset],
            Self::LearnConcepts(spec) => spec.source.datasets(),
            Self::ExtractConcepts(spec) => {
                [&spec.train].into_iter().chain(&spec.test).map(|source| &source.dataset).collect()
            }
            Self::Attribute(spec) => vec![&spec.source.dataset],
        }
    }

    /// The bank that the job reads.
    /// The bank that the job makes.
    pub fn learns(&self) -> Option<&ConceptBankId> {
        match self {
            Self::LearnConcepts(spec) => Some(&spec.bank),
            Self::FineTune(_)
            | Self::Unlearn(_)
            | Self::Evaluate(_)
            | Self::Membership(_)
            | Self::ExtractConcepts(_)
            | Self::Attribute(_) => None,
        }
    }

    pub fn concept_bank(&self) -> Option<&ConceptBankId> {
        match self {
            Self::FineTune(spec) => spec.poison.concept_bank.as_ref(),
            Self::Unlearn(spec) => spec.fine_tune.poison.concept_bank.as_ref(),
            Self::ExtractConcepts(spec) => spec.bank(),
            Self::Evaluate(_) | Self::Membership(_) | Self::LearnConcepts(_) | Self::Attribute(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobState {
    Queued,
    Running,
    Cancelling,
    Succeeded,
    Failed,
    Cancelled,
    Interrupted,
}

impl JobState {
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
            Self::Queued | Self::Running | Self::Cancelling | Self::Interrupted => false,
        }
    }

    /// Whether `next` may follow.
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => matches!(next, Self::Running | Self::Cancelling | Self::Cancelled | Self::Failed),
            Self::Running => {
                matches!(next, Self::Succeeded | Self::Failed | Self::Cancelling | Self::Cancelled | Self::Interrupted)
            }
            // A job may finish in the very step in which it is asked to stop.
            Self::Cancelling => {
                matches!(next, Self::Cancelled | Self::Succeeded | Self::Failed | Self::Interrupted)
            }
            Self::Interrupted => matches!(next, Self::Queued | Self::Cancelled | Self::Failed),
            Self::Succeeded | Self::Failed | Self::Cancelled => false,
        }
    }
}

/// Why a job failed: what a client is told, and what is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobError {
    /// Numeric google.rpc.Code.
    pub code: i32,
    pub reason: String,
    pub message: String,
}

/// One figure at one step, e.g. `train.loss`, `forget.accuracy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    pub name: String,
    pub step: u64,
    pub value: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub step: u64,
    pub epoch: u32,
    pub size_bytes: u64,
    pub sha256: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Severity {
    Info,
    Warning,
}

/// A durable event. `sequence` starts at 1 for each job and has no gaps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobEvent {
    pub sequence: u64,
    pub time: SystemTime,
    pub body: EventBody,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum EventBody {
    State {
        state: JobState,
        attempt: u32,
        error: Option<JobError>,
    },
    /// A stage of the job begins (`plan`, `evaluate-before`, `fine-tune`, ...).
    Stage {
        name: String,
    },
    Metric(Metric),
    Checkpoint(Checkpoint),
    Message {
        severity: Severity,
        text: String,
    },
    Plan(Box<PoisonPlan>),
    Result(Box<JobResult>),
}

/// A snapshot of how far a job is; not durable, may be coalesced.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    pub stage: String,
    pub step: u64,
    pub total: u64,
    pub steps_per_second: f64,
    /// Seconds left in this stage, when a rate is known.
    pub eta_seconds: Option<f64>,
}

#[expect(clippy::large_enum_variant, reason = "one value a job, boxed where events carry it")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum JobResult {
    FineTune(FineTuneResult),
    Unlearn(UnlearnResult),
    Evaluate(EvaluationReport),
    Membership(MembershipReport),
    ConceptBank(ConceptBankRecord),
    Concepts(ConceptReport),
    Attribution(AttributionReport),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FineTuneResult {
    pub version: VersionName,
    pub plan: Option<PoisonPlan>,
    pub steps: u64,
    pub epochs: u32,
    pub seconds: f64,
    /// Loss and accuracy on the training data at the end.
    pub final_metrics: Vec<Metric>,
    pub early_stopped: bool,
    /// `UTILITY_COLLAPSE`, `NOT_FORGOTTEN`.
    pub flags: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnlearnResult {
    pub fine_tune: FineTuneResult,
    pub donor: Option<u32>,
    pub donor_rule: Option<DonorRule>,
    pub before: EvaluationReport,
    pub after: EvaluationReport,
    pub membership_before: MembershipReport,
    pub membership_after: MembershipReport,
    /// What the forgotten classes owed to concepts before; absent for models without an embedding.
    #[serde(default)]
    pub concepts: Option<ConceptReport>,
    #[serde(default)]
    pub residue: Vec<ConceptResidue>,
    /// Wall time of each stage, in order.
    pub stage_seconds: Vec<(String, f64)>,
    pub seconds: f64,
}

/// A job as the store knows it; everything below `create_time` is a fold over the events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub spec: JobSpec,
    #[serde(default)]
    pub priority: Priority,
    /// Who submitted it; empty: not known.
    #[serde(default)]
    pub client: String,
    /// Wall time from `start_time` after which it fails.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// Device memory that it is foreseen to need; 0: not known.
    #[serde(default)]
    pub memory_bytes: u64,
    pub create_time: SystemTime,
    pub state: JobState,
    pub attempt: u32,
    pub start_time: Option<SystemTime>,
    pub end_time: Option<SystemTime>,
    pub error: Option<JobError>,
    pub result: Option<JobResult>,
    pub last_sequence: u64,
}

impl Job {
    pub fn queued(id: JobId, submission: impl Into<Submission>, create_time: SystemTime) -> Self {
        let Submission { spec, priority, client, timeout, memory_bytes } = submission.into();
        Self {
            id,
            spec,
            priority,
            client,
            timeout,
            memory_bytes,
            create_time,
            state: JobState::Queued,
            attempt: 0,
            start_time: None,
            end_time: None,
            error: None,
            result: None,
            last_sequence: 0,
        }
    }

    /// When it fails unless it has finished; nothing before its first start, which an interruption does not undo.
    pub fn deadline(&self) -> Option<SystemTime> {
        self.start_time?.checked_add(self.timeout?)
    }
}

/// Folds one event into the job. Events are applied in order of their sequence, each once.
pub fn apply(job: &mut Job, event: &JobEvent) {
    debug_assert_eq!(event.sequence, job.last_sequence + 1, "events are applied without gap or repeat");
    job.last_sequence = event.sequence;
    match &event.body {
        EventBody::State { state, attempt, error } => {
            job.state = *state;
            job.attempt = *attempt;
            job.error.clone_from(error);
            if *state == JobState::Running && job.start_time.is_none() {
                job.start_time = Some(event.time);
            }
            if state.is_terminal() {
                job.end_time = Some(event.time);
            }
        }
        EventBody::Result(result) => job.result = Some((**result).clone()),
        EventBody::Stage { .. }
        | EventBody::Metric(_)
        | EventBody::Checkpoint(_)
        | EventBody::Message { .. }
        | EventBody::Plan(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [JobState; 7] = [
        JobState::Queued,
        JobState::Running,
        JobState::Cancelling,
        JobState::Succeeded,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Interrupted,
    ];

    #[test]
    fn terminal_states_have_no_successor() {
        for state in ALL.into_iter().filter(|state| state.is_terminal()) {
            assert!(ALL.into_iter().all(|next| !state.may_become(next)), "{state:?}");
        }
    }

    #[test]
    fn every_state_can_reach_an_end() {
        for state in ALL.into_iter().filter(|state| !state.is_terminal()) {
            assert!(ALL.into_iter().any(|next| next.is_terminal() && state.may_become(next)), "{state:?}");
        }
    }
}
