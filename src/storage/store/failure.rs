//! Database errors and stored JSON, as domain errors.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::{Error, ErrorKind, Result};

pub(super) fn failed(error: sqlx::Error) -> Error {
    failed_to("reach the store")(error)
}

pub(super) fn failed_to(what: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |error| Error::internal(format!("failed to {what}")).with_source(error)
}

/// Whether the row is there already.
pub(super) fn is_duplicate(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("failed to encode a record").with_source(error))
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(ErrorKind::DataLoss, "STORE_UNREADABLE", "a record of the store cannot be read").with_source(error)
    })
}

/// Counters and sequences are far below 2^63.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn from_sql(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
