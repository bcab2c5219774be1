//! The one error type of unlearnd. Every layer returns it; `rpc/status.rs` alone turns it into a gRPC status.
//!
//! `message` is for the caller: it names the field, the value and the remedy, and never a server path or a stack.
//! `source` is for the log.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms of google.rpc.Code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    InvalidArgument,
    NotFound,
    AlreadyExists,
    FailedPrecondition,
    ResourceExhausted,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    Aborted,
    Cancelled,
    DeadlineExceeded,
    DataLoss,
    Unimplemented,
    Internal,
}

/// One field of a request that is wrong: its path (`poison.forget.classes[0]`) and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    pub field: String,
    pub description: String,
}

/// An error with a machine-readable reason (`UPPER_SNAKE`, at most 63 characters, listed in the documentation).
#[derive(Debug)]
pub struct Error {
    pub kind: ErrorKind,
    pub reason: &'static str,
    pub message: String,
    pub violations: Vec<FieldViolation>,
    /// Resource type and name (`model`, `models/m`), for errors about a resource.
    pub resource: Option<(String, String)>,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub fn new(kind: ErrorKind, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, reason, message: message.into(), violations: Vec::new(), resource: None, source: None }
    }

    /// A request field that is wrong. The message is built from the field and the description.
    pub fn invalid(reason: &'static str, field: impl Into<String>, description: impl Into<String>) -> Self {
        let (field, description) = (field.into(), description.into());
        let message = if field.is_empty() { description.clone() } else { format!("{field}: {description}") };
        Self::new(ErrorKind::InvalidArgument, reason, message).with_violation(field, description)
    }

    pub fn not_found(resource_type: &str, name: impl Into<String>) -> Self {
        let name = name.into();
        Self::new(ErrorKind::NotFound, "RESOURCE_NOT_FOUND", format!("{resource_type} `{name}` does not exist"))
            .with_resource(resource_type, name)
    }

    pub fn already_exists(resource_type: &str, name: impl Into<String>) -> Self {
        let name = name.into();
        Self::new(
            ErrorKind::AlreadyExists,
            "RESOURCE_ALREADY_EXISTS",
            format!("{resource_type} `{name}` exists already; choose another id or delete it first"),
        )
        .with_resource(resource_type, name)
    }

    pub fn failed_precondition(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::FailedPrecondition, reason, message)
    }

    pub fn cancelled(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Cancelled, "CANCELLED", message)
    }

    /// A defect of the daemon or of the machine it runs on, not of the request.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, "INTERNAL", message)
    }

    #[must_use]
    pub fn with_violation(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        self.violations.push(FieldViolation { field: field.into(), description: description.into() });
        self
    }

    #[must_use]
    pub fn with_resource(mut self, resource_type: &str, name: impl Into<String>) -> Self {
        self.resource = Some((resource_type.to_owned(), name.into()));
        self
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error for another caller who is concerned; the log has the source already.
    #[must_use]
    pub fn echo(&self) -> Self {
        Self {
            kind: self.kind,
            reason: self.reason,
            message: self.message.clone(),
            violations: self.violations.clone(),
            resource: self.resource.clone(),
            source: None,
        }
    }

    /// The same error with violations that name no field said of `field`: a bad file is a bad `uri`.
    #[must_use]
    pub fn about(mut self, field: &str) -> Self {
        if self.kind == ErrorKind::InvalidArgument && self.violations.is_empty() {
            let description = self.message.clone();
            return self.with_violation(field, description);
        }
        for violation in self.violations.iter_mut().filter(|violation| violation.field.is_empty()) {
            violation.field = field.to_owned();
        }
        self
    }

    /// The same error said of one of several things: `concept `red`: ...`.
    #[must_use]
    pub fn saying(mut self, subject: &str) -> Self {
        self.message = format!("{subject}: {}", self.message.trim_start_matches(": "));
        self
    }

    /// The same error with every field path put below `prefix` (`poison` turns `forget` into `poison.forget`).
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        if self.violations.is_empty() {
            return self;
        }
        for violation in &mut self.violations {
            violation.field = match violation.field.as_str() {
                "" => prefix.to_owned(),
                field => format!("{prefix}.{field}"),
            };
        }
        if let [only] = self.violations.as_slice() {
            self.message = format!("{}: {}", only.field, only.description);
        }
        self
    }

    /// The same error with every field path put where another call has it.
    #[must_use]
    pub fn moved(mut self, place: impl Fn(&str) -> String) -> Self {
        for violation in &mut self.violations {
            let (before, after) = (format!("{}: ", violation.field), place(&violation.field));
            if let Some(rest) = self.message.strip_prefix(&before) {
                self.message = format!("{after}: {rest}");
            }
            violation.field = after;
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_prefixes_the_path_and_rebuilds_the_message() {
        let error = Error::invalid("UNKNOWN_CLASS", "classes[0]", "no class `x`").under("forget").under("poison");
        assert_eq!(error.violations[0].field, "poison.forget.classes[0]");
        assert_eq!(error.message, "poison.forget.classes[0]: no class `x`");
    }
}
