//! google.longrunning: an operation is another look at a job, under the same name.

use std::time::Duration;

use prost_types::Any;

use super::filter::job_filter;
use crate::domain::{Error, Result};
use crate::engine::JobFilter;
use crate::pb::google::longrunning::{Operation, operation};
use crate::pb::v1 as pb;
use crate::rpc::status::pack;

const DEFAULT_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The job as metadata; the error or the result once it is done.
pub(in crate::rpc) fn operation(job: pb::Job) -> Operation {
    let outcome = match (&job.error, &job.result) {
        (Some(error), _) => Some(operation::Result::Error(error.clone())),
        (None, Some(pb::JobResult { result })) => {
            result.as_ref().map(|result| operation::Result::Response(response(result)))
        }
        (None, None) => None,
    };
    let done = is_done(job.state());
    Operation { name: job.name.clone(), done, metadata: Some(pack(&job)), result: outcome.filter(|_| done) }
}

fn is_done(state: pb::job::State) -> bool {
    use pb::job::State;
    match state {
        State::Succeeded | State::Failed | State::Cancelled => true,
        State::Unspecified | State::Queued | State::Running | State::Cancelling | State::Interrupted => false,
    }
}

fn response(result: &pb::job_result::Result) -> Any {
    use pb::job_result::Result as Wire;
    match result {
        Wire::FineTune(result) => pack(result),
        Wire::Unlearn(result) => pack(result),
        Wire::Evaluation(report) => pack(report),
        Wire::Membership(report) => pack(report),
        Wire::ConceptBank(bank) => pack(bank),
        Wire::Concepts(report) => pack(report),
        Wire::Attribution(report) => pack(report),
    }
}

/// `name` is the collection, `jobs` or empty. Filters belong to ListJobs.
pub(in crate::rpc) fn operations_filter(name: &str, filter: &str) -> Result<JobFilter> {
    if !matches!(name, "" | "jobs" | "operations") {
        return Err(Error::invalid(
            "INVALID_RESOURCE_NAME",
            "name",
            format!("`{name}` is no collection; write `jobs`"),
        ));
    }
    if !filter.is_empty() {
        let remedy = "is not supported; JobService.ListJobs filters by state, kind and model";
        return Err(Error::invalid("UNSUPPORTED_FILTER", "filter", remedy));
    }
    job_filter(Vec::new(), Vec::new(), "")
}

/// How long to wait: 30 s when left out, at most an hour.
pub(in crate::rpc) fn wait_timeout(timeout: Option<prost_types::Duration>) -> Result<Duration> {
    let Some(timeout) = timeout else { return Ok(DEFAULT_WAIT) };
    let timeout = Duration::try_from(timeout)
        .map_err(|_| Error::invalid("OUT_OF_RANGE", "timeout", "must be a duration of at least 0 s"))?;
    Ok(timeout.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_job_is_an_operation_under_way() {
        let job = pb::Job { name: "jobs/j".into(), state: pb::job::State::Running.into(), ..Default::default() };
        let Operation { name, metadata, done, result } = operation(job);
        assert_eq!((name.as_str(), done, result), ("jobs/j", false, None));
        assert_eq!(metadata.unwrap().type_url, "type.googleapis.com/unlearnd.v1.Job");
    }

    #[test]
    fn a_finished_job_answers_its_own_result_type() {
        let result = pb::job_result::Result::Evaluation(pb::EvaluationReport::default());
        let job = pb::Job {
            state: pb::job::State::Succeeded.into(),
            result: Some(pb::JobResult { result: Some(result) }),
            ..Default::default()
        };
        let Some(operation::Result::Response(response)) = operation(job).result else { panic!("no response") };
        assert_eq!(response.type_url, "type.googleapis.com/unlearnd.v1.EvaluationReport");
    }

    #[test]
    fn negative_waits_are_refused_and_long_ones_cut() {
        let seconds = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        assert_eq!(wait_timeout(None).unwrap(), DEFAULT_WAIT);
        assert_eq!(wait_timeout(seconds(1_000_000)).unwrap(), LONGEST_WAIT);
        assert_eq!(wait_timeout(seconds(-1)).unwrap_err().violations[0].field, "timeout");
    }
}
