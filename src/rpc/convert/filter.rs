//! jobs.proto: which jobs a list is about.

use super::common::each;
use super::fields::{known, parsed};
use crate::domain::job::{JobKind, JobState};
use crate::domain::{Error, Result};
use crate::engine::JobFilter;
use crate::pb::v1 as pb;

/// The conditions of a ListJobsRequest, apart from its page.
pub(in crate::rpc) fn job_filter(states: Vec<i32>, kinds: Vec<i32>, model: &str) -> Result<JobFilter> {
    Ok(JobFilter {
        states: each(states, "states", job_state)?,
        kinds: each(kinds, "kinds", job_kind)?,
        model: if model.is_empty() { None } else { Some(parsed(model, "model")?) },
    })
}

fn job_state(number: i32) -> Result<JobState> {
    match known(number, "")? {
        pb::job::State::Unspecified => Err(unspecified("a state")),
        pb::job::State::Queued => Ok(JobState::Queued),
        pb::job::State::Running => Ok(JobState::Running),
        pb::job::State::Cancelling => Ok(JobState::Cancelling),
        pb::job::State::Succeeded => Ok(JobState::Succeeded),
        pb::job::State::Failed => Ok(JobState::Failed),
        pb::job::State::Cancelled => Ok(JobState::Cancelled),
        pb::job::State::Interrupted => Ok(JobState::Interrupted),
    }
}

fn job_kind(number: i32) -> Result<JobKind> {
    match known(number, "")? {
        pb::job::Kind::Unspecified => Err(unspecified("a kind")),
        pb::job::Kind::FineTune => Ok(JobKind::FineTune),
        pb::job::Kind::Unlearn => Ok(JobKind::Unlearn),
        pb::job::Kind::Evaluate => Ok(JobKind::Evaluate),
        pb::job::Kind::Membership => Ok(JobKind::Membership),
        pb::job::Kind::LearnConcepts => Ok(JobKind::LearnConcepts),
        pb::job::Kind::ExtractConcepts => Ok(JobKind::ExtractConcepts),
        pb::job::Kind::Attribute => Ok(JobKind::Attribute),
    }
}

fn unspecified(what: &str) -> Error {
    Error::invalid("UNKNOWN_ENUM_VALUE", "", format!("must name {what}; leave the list empty for all"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lists_mean_all() {
        assert_eq!(job_filter(vec![], vec![], "").unwrap(), JobFilter::default());
    }

    #[test]
    fn states_and_kinds_are_named_by_position() {
        let running = pb::job::State::Running.into();
        assert_eq!(job_filter(vec![running], vec![], "m").unwrap().states, [JobState::Running]);
        let error = job_filter(vec![running, 0], vec![], "").unwrap_err();
        assert_eq!(error.violations[0].field, "states[1]");
        let error = job_filter(vec![], vec![42], "").unwrap_err();
        assert_eq!(error.violations[0].field, "kinds[0]");
    }
}
