//! What can go wrong for a caller of `unlearnctl`, and how it is told: message, violations, reason, what to do next.

mod details;
mod hint;

use std::path::Path;

use serde::Serialize;
use thiserror::Error;
use tonic::Status;

use details::Details;

pub(crate) type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(String),
    #[error("cannot reach unlearnd at {server}")]
    Connect { server: String, source: tonic::transport::Error },
    #[error("{}", .0.message())]
    Call(Box<Status>),
    #[error("{job} {state}: {message}")]
    Job { job: String, state: &'static str, reason: String, message: String },
    #[error("stopped waiting; {job} goes on")]
    Interrupted { job: String },
    #[error("the stream of events of {job} broke {attempts} times in a row")]
    WatchLost { job: String, attempts: u32, source: Box<Status> },
    #[error("the daemon's answer is incomplete: {0} is missing")]
    Incomplete(&'static str),
    #[error("failed to {action} `{path}`: {source}")]
    File { action: &'static str, path: String, source: std::io::Error },
}

impl Error {
    pub(crate) fn file(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::File { action, path: path.as_ref().display().to_string(), source }
    }

    /// 1, but 2 for a wrong command line and 130 after Ctrl-C, as shells do.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Interrupted { .. } => 130,
            Self::Connect { .. }
            | Self::Call(_)
            | Self::Job { .. }
            | Self::WatchLost { .. }
            | Self::Incomplete(_)
            | Self::File { .. } => 1,
        }
    }

    /// Everything there is to tell, for people and for `--json`.
    pub(crate) fn explain(&self) -> Explanation {
        let mut told = Explanation { message: self.to_string(), hint: hint::for_error(self), ..Explanation::default() };
        match self {
            Self::Call(status) => told.add_details(Details::of(status)),
            Self::WatchLost { source, .. } => told.add_details(Details::of(source)),
            Self::Job { reason, .. } => told.reason.clone_from(reason),
            Self::Connect { source, .. } => told.causes = causes(source),
            Self::Usage(_) | Self::Interrupted { .. } | Self::Incomplete(_) | Self::File { .. } => {}
        }
        told
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

/// An error as it is printed.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Explanation {
    pub(crate) message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) code: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) violations: Vec<Violation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl Explanation {
    fn add_details(&mut self, details: Details) {
        self.code = details.code;
        self.reason = details.reason;
        self.violations = details.violations;
        self.retry_after_seconds = details.retry_after_seconds;
    }
}

/// One thing that is wrong with a request, or that stands in its way.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Violation {
    pub(crate) subject: String,
    pub(crate) description: String,
}

/// The sources of an error, outermost first, each said once.
fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut causes = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !causes.iter().any(|known| known.contains(&text)) {
            causes.push(text);
        }
        source = error.source();
    }
    causes
}
