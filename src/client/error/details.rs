//! Reads the rich error model (google.rpc details) off a status.

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use super::Violation;

/// The details of a status that a person can use.
#[derive(Debug)]
pub(super) struct Details {
    pub(super) code: String,
    pub(super) reason: String,
    pub(super) violations: Vec<Violation>,
    pub(super) retry_after_seconds: Option<f64>,
}

impl Details {
    pub(super) fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        Self {
            code: code_word(status.code()),
            reason: details.error_info().map(|info| info.reason.clone()).unwrap_or_default(),
            violations: violations(&details),
            retry_after_seconds: details
                .retry_info()
                .and_then(|info| info.retry_delay)
                .map(|delay| delay.as_secs_f64()),
        }
    }
}

/// `InvalidArgument` → `invalid_argument`.
fn code_word(code: tonic::Code) -> String {
    let mut word = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

fn violations(details: &ErrorDetails) -> Vec<Violation> {
    let fields = details.bad_request().into_iter().flat_map(|bad| &bad.field_violations);
    let fields = fields.map(|found| violation(&found.field, &found.description));
    let preconditions = details.precondition_failure().into_iter().flat_map(|failure| &failure.violations);
    let preconditions = preconditions.map(|found| violation(&found.subject, &found.description));
    let quotas = details.quota_failure().into_iter().flat_map(|failure| &failure.violations);
    let quotas = quotas.map(|found| violation(&found.subject, &found.description));
    fields.chain(preconditions).chain(quotas).collect()
}

fn violation(subject: &str, description: &str) -> Violation {
    Violation { subject: subject.to_owned(), flag: None, description: description.to_owned() }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn every_kind_of_violation_is_read() {
        let mut sent = ErrorDetails::new();
        sent.set_error_info("UNKNOWN_CLASS", "unlearnd", std::collections::HashMap::new())
            .add_bad_request_violation("poison.forget.classes", "`deeer` is no class; did you mean `deer`?")
            .add_precondition_failure_violation("STATE", "models/m", "is being trained")
            .set_retry_info(Some(std::time::Duration::from_millis(1500)));
        let status = Status::with_error_details(Code::InvalidArgument, "unknown class", sent);
        let details = Details::of(&status);
        assert_eq!(details.code, "invalid_argument");
        assert_eq!(details.reason, "UNKNOWN_CLASS");
        assert_eq!(details.violations.len(), 2);
        assert_eq!(details.violations[0].subject, "poison.forget.classes");
        assert_eq!(details.retry_after_seconds, Some(1.5));
    }
}
