//! From a domain error to a gRPC status: the only place that knows both.
//!
//! Every status carries ErrorInfo (reason, domain `unlearnd`); the kind decides which further detail a client can act on. An internal
//! error tells the caller its request id and nothing else; the log gets the message with the whole chain of causes.

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use prost::{Message, Name};
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::context::RequestId;
use crate::domain::job::JobError;
use crate::domain::{Error, ErrorKind};

const DOMAIN: &str = "unlearnd";
/// When a full queue or a draining daemon is worth another try.
const RETRY_DELAY: Duration = Duration::from_secs(5);
/// What is used up for good: the same call will be refused again.
const NEVER_FITS: &[&str] = &["UPLOAD_TOO_LARGE"];

/// The one mapping of kinds to codes.
pub(super) fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidArgument => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::FailedPrecondition => Code::FailedPrecondition,
        ErrorKind::ResourceExhausted => Code::ResourceExhausted,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Aborted => Code::Aborted,
        ErrorKind::Cancelled => Code::Cancelled,
        ErrorKind::DeadlineExceeded => Code::DeadlineExceeded,
        ErrorKind::DataLoss => Code::DataLoss,
        ErrorKind::Unimplemented => Code::Unimplemented,
        ErrorKind::Internal => Code::Internal,
    }
}

/// What the caller of `request` is told about `error`; what only the operator may know goes to the log.
pub(super) fn status(error: &Error, request: &RequestId) -> Status {
    status_with(error, request, &Facts::default())
}

/// What a machine may want to know of an error beyond its kind.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Dynamic values of the message, by name.
    pub(super) values: Vec<(&'static str, String)>,
    /// When to try again, where that is known better than by the kind.
    pub(super) retry_after: Option<Duration>,
}

/// As `status`, with facts that the error itself does not carry.
pub(super) fn status_with(error: &Error, request: &RequestId, facts: &Facts) -> Status {
    log_cause(error, request);
    let mut details = ErrorDetails::new();
    let values = facts.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    details.set_error_info(error.reason, DOMAIN, metadata(error).into_iter().chain(values).collect::<HashMap<_, _>>());
    for violation in &error.violations {
        details.add_bad_request_violation(&violation.field, clipped(&violation.description));
    }
    if let Some((resource_type, name)) = &error.resource {
        details.set_resource_info(resource_type, name, "", clipped(&error.message));
    }
    add_remedy(&mut details, error, request);
    if facts.retry_after.is_some() {
        details.set_retry_info(facts.retry_after);
    }
    Status::with_error_details(code(error.kind), message(error, request), details)
}

/// Every dynamic value of the message that a machine may want (AIP-193).
fn metadata(error: &Error) -> HashMap<String, String> {
    let mut metadata = HashMap::new();
    if let Some((resource_type, name)) = &error.resource {
        metadata.insert("resource_type".to_owned(), resource_type.clone());
        metadata.insert("resource_name".to_owned(), name.clone());
    }
    if let Some(violation) = error.violations.first() {
        metadata.insert("field".to_owned(), violation.field.clone());
    }
    metadata
}

/// The detail that says what to do next.
fn add_remedy(details: &mut ErrorDetails, error: &Error, request: &RequestId) {
    let subject = error.resource.as_ref().map_or("", |(_, name)| name);
    match error.kind {
        ErrorKind::FailedPrecondition => {
            details.add_precondition_failure_violation(error.reason, subject, clipped(&error.message));
        }
        ErrorKind::ResourceExhausted => {
            details.add_quota_failure_violation(subject, clipped(&error.message));
            if !NEVER_FITS.contains(&error.reason) {
                details.set_retry_info(Some(RETRY_DELAY));
            }
        }
        ErrorKind::Unavailable => {
            details.set_retry_info(Some(RETRY_DELAY));
        }
        ErrorKind::Internal | ErrorKind::DataLoss => {
            details.set_request_info(request.as_str(), "");
        }
        ErrorKind::InvalidArgument
        | ErrorKind::NotFound
        | ErrorKind::AlreadyExists
        | ErrorKind::PermissionDenied
        | ErrorKind::Unauthenticated
        | ErrorKind::Aborted
        | ErrorKind::Cancelled
        | ErrorKind::DeadlineExceeded
        | ErrorKind::Unimplemented => {}
    }
}

fn message(error: &Error, request: &RequestId) -> String {
    if error.kind == ErrorKind::Internal {
        return format!("internal error; see the daemon's log with request id {request}");
    }
    clipped(&error.message)
}

/// What fits into trailers beside the details: clients drop answers whose metadata are too long.
fn clipped(text: &str) -> String {
    const MOST_CHARACTERS: usize = 600;
    match text.char_indices().nth(MOST_CHARACTERS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// Only what the caller is not told needs a line of its own.
fn log_cause(error: &Error, request: &RequestId) {
    if error.kind == ErrorKind::Internal || error.source().is_some() {
        tracing::error!(request_id = %request, reason = error.reason, error = %chain(error), "call failed");
    }
}

/// The message and those of all causes, outermost first.
fn chain(error: &Error) -> String {
    let mut text = error.message.clone();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

/// Why a job failed, as `google.rpc.Status` with ErrorInfo. As with calls, an internal error is for the log.
pub(super) fn job_status(error: JobError) -> tonic_types::Status {
    let JobError { code, reason, message } = error;
    let secret = code == Code::Internal as i32;
    let message = if secret { "internal error; see the daemon's log for this job".to_owned() } else { message };
    let info = tonic_types::pb::ErrorInfo { reason, domain: DOMAIN.to_owned(), metadata: HashMap::new() };
    let type_url = "type.googleapis.com/google.rpc.ErrorInfo".to_owned();
    tonic_types::Status { code, message, details: vec![Any { type_url, value: info.encode_to_vec() }] }
}

/// One item of an answer that failed while the others go on: what the caller is told of it, by the rules of a failed job.
pub(super) fn told(error: &Error) -> JobError {
    let status = job_status(JobError {
        code: code(error.kind) as i32,
        reason: error.reason.to_owned(),
        message: error.message.clone(),
    });
    JobError { code: status.code, reason: error.reason.to_owned(), message: status.message }
}

/// What a job that was cancelled without further word answers.
pub(super) fn cancelled_status() -> tonic_types::Status {
    job_status(JobError {
        code: Code::Cancelled as i32,
        reason: "CANCELLED".to_owned(),
        message: "the job was cancelled".to_owned(),
    })
}

/// `message` as an `Any` with its type URL.
pub(super) fn pack<M: Message + Name>(message: &M) -> Any {
    Any { type_url: format!("type.googleapis.com/{}", M::full_name()), value: message.encode_to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RequestId {
        RequestId::new("r-1").unwrap()
    }

    #[test]
    fn violations_become_a_bad_request() {
        let error = Error::invalid("UNKNOWN_CLASS", "classes[0]", "no class `x`").under("poison.forget");
        let status = status(&error, &request());
        assert_eq!(status.code(), Code::InvalidArgument);
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "poison.forget.classes[0]");
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("UNKNOWN_CLASS", "unlearnd"));
        assert_eq!(info.metadata["field"], "poison.forget.classes[0]");
    }

    #[test]
    fn missing_resources_are_named() {
        let status = status(&Error::not_found("model", "models/m"), &request());
        let resource = status.get_details_resource_info().unwrap();
        assert_eq!((resource.resource_type.as_str(), resource.resource_name.as_str()), ("model", "models/m"));
    }

    #[test]
    fn a_full_queue_says_when_to_come_back() {
        let full = Error::new(ErrorKind::ResourceExhausted, "QUEUE_FULL", "256 jobs are waiting");
        let status = status(&full, &request());
        assert!(status.get_details_quota_failure().is_some());
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(RETRY_DELAY));
    }

    #[test]
    fn an_upload_that_will_never_fit_is_not_to_be_tried_again() {
        let large = Error::new(ErrorKind::ResourceExhausted, "UPLOAD_TOO_LARGE", "more than 10 bytes");
        let status = status(&large, &request());
        assert!(status.get_details_quota_failure().is_some() && status.get_details_retry_info().is_none());
    }

    #[test]
    fn internal_errors_tell_the_request_id_and_no_more() {
        let error = Error::internal("cannot open /var/lib/unlearnd/x").with_source(std::io::Error::other("disk"));
        let status = status(&error, &request());
        assert_eq!(status.message(), "internal error; see the daemon's log with request id r-1");
        assert_eq!(status.get_details_request_info().unwrap().request_id, "r-1");
        assert_eq!(chain(&error), "cannot open /var/lib/unlearnd/x: disk");
    }

    #[test]
    fn a_defect_in_a_job_is_for_the_log() {
        let message = "cannot open /var/lib/unlearnd/x".to_owned();
        let told = job_status(JobError { code: 13, reason: "INTERNAL".to_owned(), message });
        assert!(!told.message.contains("/var"), "{}", told.message);
    }

    #[test]
    fn a_cancelled_job_answers_code_one() {
        use tonic_types::RpcStatusExt;
        let status = cancelled_status();
        assert_eq!(status.code, 1);
        assert_eq!(status.get_details_error_info().unwrap().reason, "CANCELLED");
    }
}
