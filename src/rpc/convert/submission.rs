//! What requests that make jobs say beside the job itself: under which id, how urgent it is, how long it may run.

use std::time::Duration;

use super::common::request_id;
use super::fields::known;
use crate::domain::submission::Priority;
use crate::domain::{Error, Result};
use crate::pb::v1 as pb;

const LONGEST_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rpc) struct Terms {
    pub(in crate::rpc) request_id: Option<String>,
    pub(in crate::rpc) priority: Priority,
    pub(in crate::rpc) timeout: Option<Duration>,
}

/// A request that makes a job.
pub(in crate::rpc) trait JobRequest {
    /// What is not the job's own; it is no longer in the message afterwards.
    fn take_terms(&mut self) -> Result<Terms>;
}

macro_rules! job_requests {
    ($($message:ident),+ $(,)?) => {
        $(impl JobRequest for pb::$message {
            fn take_terms(&mut self) -> Result<Terms> {
                terms(std::mem::take(&mut self.request_id), std::mem::take(&mut self.priority), self.timeout.take())
            }
        })+
    };
}

job_requests!(
    FineTunePoisonedRequest,
    UnlearnRequest,
    EvaluateModelRequest,
    EvaluateMembershipInferenceRequest,
    LearnConceptBankRequest,
    ExtractConceptsRequest,
    AttributeDatasetRequest,
);

fn terms(id: String, priority_number: i32, timeout: Option<prost_types::Duration>) -> Result<Terms> {
    Ok(Terms {
        request_id: request_id(id)?,
        priority: priority(priority_number)?,
        timeout: timeout.map(job_timeout).transpose()?,
    })
}

fn priority(number: i32) -> Result<Priority> {
    Ok(match known(number, "priority")? {
        pb::Priority::Low => Priority::Low,
        pb::Priority::Unspecified | pb::Priority::Normal => Priority::Normal,
        pb::Priority::High => Priority::High,
    })
}

impl From<Priority> for pb::Priority {
    fn from(value: Priority) -> Self {
        match value {
            Priority::Low => Self::Low,
            Priority::Normal => Self::Normal,
            Priority::High => Self::High,
        }
    }
}

fn job_timeout(timeout: prost_types::Duration) -> Result<Duration> {
    let is_normal = (0..1_000_000_000).contains(&timeout.nanos);
    let stated = Duration::try_from(timeout).ok().filter(|_| is_normal);
    stated.filter(|timeout| !timeout.is_zero() && *timeout <= LONGEST_TIMEOUT).ok_or_else(|| {
        Error::invalid("OUT_OF_RANGE", "timeout", "must be above 0 s and at most 30 days; leave it out for no limit")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(priority: i32, seconds: i64, nanos: i32) -> Result<Terms> {
        let timeout = Some(prost_types::Duration { seconds, nanos });
        pb::UnlearnRequest { priority, timeout, ..Default::default() }.take_terms()
    }

    #[test]
    fn what_is_not_said_is_normal_and_without_limit() {
        let terms = pb::EvaluateModelRequest::default().take_terms().unwrap();
        assert_eq!(terms, Terms { request_id: None, priority: Priority::Normal, timeout: None });
    }

    #[test]
    fn every_priority_survives_the_round_trip() {
        for priority in [Priority::Low, Priority::Normal, Priority::High] {
            assert_eq!(of(pb::Priority::from(priority).into(), 90, 0).unwrap().priority, priority);
        }
        assert_eq!(of(9, 1, 0).unwrap_err().violations[0].field, "priority");
    }

    #[test]
    fn timeouts_are_positive_and_bounded() {
        assert_eq!(of(0, 0, 500_000_000).unwrap().timeout, Some(Duration::from_millis(500)));
        for (seconds, nanos) in [(0, 0), (-1, 0), (31 * 24 * 3600, 0), (1, -5), (0, 2_000_000_000)] {
            assert_eq!(of(0, seconds, nanos).unwrap_err().violations[0].field, "timeout", "{seconds}");
        }
    }
}
