//! From errors to what a failed job tells, and from panics to errors.

use tokio::task::JoinError;

use crate::domain::job::JobError;
use crate::domain::{Error, ErrorKind, Result};

/// Runs what computes or touches files away from the async threads.
pub(super) async fn blocking<T: Send + 'static>(act: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(act)).await.unwrap_or_else(|error| Err(from_join(error)))
}

pub(super) fn from_join(error: JoinError) -> Error {
    Error::internal("a part of this work failed unexpectedly; this is a defect of the daemon").with_source(error)
}

/// A request that fits its own form but not the state of what it names.
pub(super) fn precondition(reason: &'static str, field: &str, description: String) -> Error {
    Error::failed_precondition(reason, format!("{field}: {description}")).with_violation(field, description)
}

/// What a client is told of a failed job.
pub(super) fn job_error(error: &Error) -> JobError {
    JobError { code: code(error.kind), reason: error.reason.to_owned(), message: error.message.clone() }
}

/// The number of google.rpc.Code.
fn code(kind: ErrorKind) -> i32 {
    match kind {
        ErrorKind::Cancelled => 1,
        ErrorKind::InvalidArgument => 3,
        ErrorKind::DeadlineExceeded => 4,
        ErrorKind::NotFound => 5,
        ErrorKind::AlreadyExists => 6,
        ErrorKind::PermissionDenied => 7,
        ErrorKind::ResourceExhausted => 8,
        ErrorKind::FailedPrecondition => 9,
        ErrorKind::Aborted => 10,
        ErrorKind::Unimplemented => 12,
        ErrorKind::Internal => 13,
        ErrorKind::Unavailable => 14,
        ErrorKind::DataLoss => 15,
        ErrorKind::Unauthenticated => 16,
    }
}
