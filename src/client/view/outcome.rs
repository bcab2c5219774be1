//! The result of a job of any kind.

use serde::Serialize;

use super::attribution_report::AttributionReportView;
use super::evaluation::EvaluationView;
use super::finetune::FineTuneView;
use super::membership::MembershipView;
use super::{ConceptBankView, ConceptReportView, UnlearnView, View};
use crate::pb::v1::{self, job_result, job_spec};

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Outcome {
    FineTune(FineTuneView),
    Unlearn(Box<UnlearnView>),
    Evaluation(Box<EvaluationView>),
    Membership(MembershipView),
    ConceptBank(Box<ConceptBankView>),
    Concepts(Box<ConceptReportView>),
    Attribution(AttributionReportView),
}

impl Outcome {
    /// None while the job has no result.
    pub(crate) fn of(job: &v1::Job) -> Option<Self> {
        let mut outcome = Self::of_result(&job.name, job.result.as_ref()?)?;
        match &mut outcome {
            Self::FineTune(view) => view.promoted = asks_to_promote(job),
            Self::Unlearn(view) => view.promoted = asks_to_promote(job),
            Self::Evaluation(_)
            | Self::Membership(_)
            | Self::ConceptBank(_)
            | Self::Concepts(_)
            | Self::Attribution(_) => {}
        }
        Some(outcome)
    }

    /// False where the daemon found that unlearning left more than half of what was to be forgotten; other jobs forget nothing.
    pub(crate) fn is_forgotten(&self) -> bool {
        match self {
            Self::Unlearn(view) => view.is_forgotten(),
            Self::FineTune(_)
            | Self::Evaluation(_)
            | Self::Membership(_)
            | Self::ConceptBank(_)
            | Self::Concepts(_)
            | Self::Attribution(_) => true,
        }
    }

    pub(super) fn of_result(job: &str, result: &v1::JobResult) -> Option<Self> {
        Some(match result.result.as_ref()? {
            job_result::Result::FineTune(result) => Self::FineTune(FineTuneView::of(job, result)),
            job_result::Result::Unlearn(result) => Self::Unlearn(Box::new(UnlearnView::of(job, result))),
            job_result::Result::Evaluation(report) => Self::Evaluation(Box::new(EvaluationView::of(Some(job), report))),
            job_result::Result::Membership(report) => Self::Membership(MembershipView::of(Some(job), report)),
            job_result::Result::ConceptBank(bank) => Self::ConceptBank(Box::new(ConceptBankView::of(Some(job), bank))),
            job_result::Result::Concepts(report) => Self::Concepts(Box::new(ConceptReportView::of(Some(job), report))),
            job_result::Result::Attribution(report) => Self::Attribution(AttributionReportView::of(job, report)),
        })
    }
}

fn asks_to_promote(job: &v1::Job) -> bool {
    match job.spec.as_ref().and_then(|spec| spec.request.as_ref()) {
        Some(job_spec::Request::FineTune(request)) => request.promote,
        Some(job_spec::Request::Unlearn(request)) => request.promote,
        Some(
            job_spec::Request::Evaluate(_)
            | job_spec::Request::Membership(_)
            | job_spec::Request::LearnConcepts(_)
            | job_spec::Request::ExtractConcepts(_)
            | job_spec::Request::Attribute(_),
        )
        | None => false,
    }
}

impl View for Outcome {
    fn text(&self) -> String {
        match self {
            Self::FineTune(view) => view.text(),
            Self::Unlearn(view) => view.text(),
            Self::Evaluation(view) => view.text(),
            Self::Membership(view) => view.text(),
            Self::ConceptBank(view) => view.text(),
            Self::Concepts(view) => view.text(),
            Self::Attribution(view) => view.text(),
        }
    }
}
