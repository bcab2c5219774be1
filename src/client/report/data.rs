//! What a report is made of.

use super::Pictures;
use crate::client::view::{SpecView, UnlearnView, attack_named};
use crate::pb::v1::{Attack, AttackReport, EvaluationReport, Job, JobMetric, UnlearnResult};

/// A finished unlearning job under the name it has in the report.
#[derive(Debug, Clone)]
pub(crate) struct JobData {
    pub(crate) label: String,
    pub(super) job: Job,
    pub(super) result: UnlearnResult,
    /// In the order of the events.
    pub(super) metrics: Vec<JobMetric>,
    pub(super) pictures: Pictures,
}

impl JobData {
    /// Without a label of the caller's, the job is called after its method and labels.
    pub(crate) fn new(label: Option<&str>, job: Job, result: UnlearnResult, metrics: Vec<JobMetric>) -> Self {
        let label = label.map_or_else(|| default_label(&job), str::to_owned);
        Self { label, job, result, metrics, pictures: Pictures::default() }
    }

    pub(crate) fn with_pictures(self, pictures: Pictures) -> Self {
        Self { pictures, ..self }
    }

    pub(crate) fn view(&self) -> UnlearnView {
        UnlearnView::of(&self.job.name, &self.result)
    }

    /// The version it was compared with.
    pub(crate) fn reference(&self) -> Option<String> {
        Some(self.result.after.as_ref()?.reference.as_ref()?.reference.clone())
    }

    pub(super) fn spec(&self) -> Option<SpecView> {
        SpecView::of(self.job.spec.as_ref())
    }

    pub(super) fn before(&self) -> Option<&EvaluationReport> {
        self.result.before.as_ref()
    }

    pub(super) fn after(&self) -> Option<&EvaluationReport> {
        self.result.after.as_ref()
    }

    /// The loss attack on the original, on the new version and on the reference.
    pub(super) fn loss_attacks(&self) -> [Option<&AttackReport>; 3] {
        let before = self.result.membership_before.as_ref();
        let after = self.result.membership_after.as_ref();
        [
            before.and_then(|report| attack_named(&report.attacks, Attack::Loss)),
            after.and_then(|report| attack_named(&report.attacks, Attack::Loss)),
            after.and_then(|report| attack_named(&report.reference_attacks, Attack::Loss)),
        ]
    }
}

/// `random labels`, or the method where labels play no part.
fn default_label(job: &Job) -> String {
    match SpecView::of(job.spec.as_ref()) {
        Some(SpecView { labels: Some(labels), .. }) => format!("{labels} labels"),
        Some(SpecView { method: Some(method), .. }) => method.to_owned(),
        _ => job.name.clone(),
    }
}
