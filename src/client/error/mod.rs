//! What can go wrong for a caller of `unlearnctl`, and how it is told: message, violations, reason, what to do next.

mod details;
mod flags;
mod hint;
mod tls;

use std::path::Path;

use serde::Serialize;
use thiserror::Error;
use tonic::Status;

use details::Details;
pub(crate) use flags::Flags;

pub(crate) type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(String),
    #[error("cannot reach unlearnd at {server}")]
    Connect { server: String, source: tonic::transport::Error },
    #[error("{}", said(.0))]
    Call(Box<Status>),
    #[error("{job} {state}: {message}")]
    Job { job: String, state: &'static str, reason: String, message: String },
    #[error("{job} succeeded, but more than half of what was told right of the forget set still is")]
    NotForgotten { job: String },
    #[error("stopped waiting; {job} goes on")]
    Interrupted { job: String },
    #[error("the stream of events of {job} broke {attempts} times in a row")]
    WatchLost { job: String, attempts: u32, source: Box<Status> },
    #[error("the daemon's answer is incomplete: {0} is missing")]
    Incomplete(&'static str),
    #[error("{failed} of {total} inputs were not attributed")]
    Unattributed { failed: usize, total: usize },
    #[error("failed to {action} `{path}`: {source}")]
    File { action: &'static str, path: String, source: std::io::Error },
}

impl Error {
    pub(crate) fn file(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::File { action, path: path.as_ref().display().to_string(), source }
    }

    /// 1, but 2 for a wrong command line, 3 where unlearning left what was to be forgotten, and 130 after Ctrl-C, as shells do.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NotForgotten { .. } => 3,
            Self::Interrupted { .. } => 130,
            Self::Connect { .. }
            | Self::Call(_)
            | Self::Job { .. }
            | Self::WatchLost { .. }
            | Self::Incomplete(_)
            | Self::Unattributed { .. }
            | Self::File { .. } => 1,
        }
    }

    /// Everything there is to tell, for people and for `--json`.
    pub(crate) fn explain(&self) -> Explanation {
        let mut told = Explanation { message: self.to_string(), hint: hint::for_error(self), ..Explanation::default() };
        match self {
            Self::Call(status) => told.add_status(status),
            Self::WatchLost { source, .. } => told.add_status(source),
            Self::Job { reason, .. } => told.reason.clone_from(reason),
            Self::Connect { source, .. } => told.add_causes(Some(source)),
            Self::Usage(_)
            | Self::NotForgotten { .. }
            | Self::Interrupted { .. }
            | Self::Incomplete(_)
            | Self::Unattributed { .. }
            | Self::File { .. } => {}
        }
        told
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

/// What the daemon said, or at least what kind of refusal it is.
fn said(status: &Status) -> &str {
    if status.message().is_empty() { status.code().description() } else { status.message() }
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
    /// A status that the daemon sent says all in its details; one made here, because the connection broke, has the reason below it.
    fn add_status(&mut self, status: &Status) {
        self.add_details(Details::of(status));
        self.add_causes(std::error::Error::source(status));
    }

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
    /// The flag that the subject is, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flag: Option<String>,
    pub(crate) description: String,
}

/// How many causes are told; errors of the transport nest deeper than anyone reads.
const MOST_CAUSES: usize = 8;

impl Explanation {
    /// The error and its sources, outermost first, each said once.
    fn add_causes(&mut self, outermost: Option<&(dyn std::error::Error + 'static)>) {
        let chain = std::iter::successors(outermost, |error| error.source()).take(MOST_CAUSES);
        for text in chain.map(ToString::to_string) {
            let said = |known: &String| known.contains(&text);
            if !text.is_empty() && !said(&self.message) && !self.causes.iter().any(said) {
                self.causes.push(text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    /// Layers of an error, the outermost first.
    fn layers(texts: &[&'static str]) -> Layer {
        let [text, rest @ ..] = texts else { panic!("an error has a text") };
        Layer { text, source: (!rest.is_empty()).then(|| Box::new(layers(rest))) }
    }

    fn broken(message: &str, texts: &[&'static str]) -> Status {
        let mut status = Status::unknown(message);
        status.set_source(Arc::new(layers(texts)));
        status
    }

    #[test]
    fn a_broken_connection_is_told_with_its_causes_each_once() {
        let status = broken(
            "h2 protocol error: http2 error",
            &["h2 protocol error: http2 error", "http2 error", "keep-alive timed out", "keep-alive timed out"],
        );
        assert_eq!(Error::from(status).explain().causes, ["keep-alive timed out"]);
    }

    #[test]
    fn a_lost_watch_tells_why_it_was_lost() {
        let source = Box::new(broken("transport error", &["transport error", "connection reset by peer"]));
        let lost = Error::WatchLost { job: "jobs/1".to_owned(), attempts: 3, source };
        assert_eq!(lost.explain().causes, ["transport error", "connection reset by peer"]);
    }

    #[test]
    fn what_the_daemon_itself_answers_has_no_causes() {
        assert!(Error::from(Status::not_found("there is no model `m`")).explain().causes.is_empty());
    }

    #[test]
    fn a_refusal_without_words_is_still_told() {
        assert_eq!(Error::from(Status::not_found("no model `m`")).to_string(), "no model `m`");
        let wordless = Error::from(Status::unimplemented("")).to_string();
        assert_eq!(wordless, "Operation is not implemented or not supported");
    }
}
