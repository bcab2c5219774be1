//! The store: models, versions, datasets, concept banks, jobs with their events, and request ids, in SQLite through `sqlx`.
//!
//! Takes and gives domain types. What it returned as done is on disk (`synchronous=FULL`). One connection writes, several read; the
//! SQL stays portable (no SQLite functions, positional parameters), so that a Postgres pool can take its place.

mod concept_banks;
mod connection;
mod datasets;
mod events;
mod failure;
mod jobs;
mod models;
mod paging;
mod requests;
#[cfg(test)]
mod tests;
mod versions;

pub use connection::Store;
pub use events::{Appended, Guard};
pub use jobs::JobFilter;
pub use models::{StoredModel, check_etag};
pub use paging::{Page, PageRequest};
pub use requests::RequestKey;
