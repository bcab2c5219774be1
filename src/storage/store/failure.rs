//! Database errors and stored JSON, as domain errors.
//!
//! What an operator can mend (a full or read-only disk, a damaged file) is told by name; the rest is a defect. The numbers are the
//! primary result codes of SQLite (<https://www.sqlite.org/rescode.html>).

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::{Error, ErrorKind, Result};

pub(super) fn failed(error: sqlx::Error) -> Error {
    failed_to("reach the store")(error)
}

pub(super) fn failed_to(what: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |error| {
        let known = primary_code(&error).and_then(|code| by_code(code, what));
        known.unwrap_or_else(|| Error::internal(format!("failed to {what}"))).with_source(error)
    }
}

/// The last byte of SQLite's extended code.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse::<u32>().ok().map(|code| code & 0xFF)
}

fn by_code(code: u32, what: &str) -> Option<Error> {
    let (kind, reason, why) = match code {
        8 => (ErrorKind::Unavailable, "STORAGE_READ_ONLY", "the data directory cannot be written; see its file system"),
        10 | 14 => (ErrorKind::Unavailable, "STORAGE_FAILED", "the disk of the data directory does not answer"),
        11 | 26 => return Some(corrupt()),
        13 => (
            ErrorKind::ResourceExhausted,
            "STORAGE_FULL",
            "no space is left in the data directory; free some and try again",
        ),
        _ => return None,
    };
    Some(Error::new(kind, reason, format!("failed to {what}: {why}")))
}

/// The file itself is damaged; nothing of it has been changed.
pub(super) fn corrupt() -> Error {
    let message = "the database in the data directory is damaged; restore it from a backup, or save what is whole with \
                   `sqlite3 store.db .recover`";
    Error::new(ErrorKind::DataLoss, "STORE_CORRUPT", message)
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
