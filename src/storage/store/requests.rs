//! Request ids (AIP-155): a repeated request gives the first answer, a changed one under the same id is refused.

use std::time::SystemTime;

use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::{Executor, Sqlite};

use super::connection::Store;
use super::events::to_micros;
use super::failure::{failed, to_json, to_sql};
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::atomic::hex;

/// An id that the client chose, within the scope of one kind of request, and a hash of what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    pub scope: &'static str,
    pub id: String,
    pub hash: String,
}

impl RequestKey {
    /// `request` is everything that matters of the request, without the id itself.
    pub fn new(scope: &'static str, id: impl Into<String>, request: &impl Serialize) -> Result<Self> {
        Ok(Self { scope, id: id.into(), hash: hex(&Sha256::digest(to_json(request)?)) })
    }
}

impl Store {
    /// The resource that the same request made before; ALREADY_EXISTS if the id served another request.
    pub async fn find_request(&self, key: &RequestKey) -> Result<Option<String>> {
        find(self.readers(), key).await
    }
}

async fn find(executor: impl Executor<'_, Database = Sqlite>, key: &RequestKey) -> Result<Option<String>> {
    let row: Option<(String, String)> =
        sqlx::query_as("SELECT request_hash, resource FROM request_ids WHERE scope = $1 AND id = $2")
            .bind(key.scope)
            .bind(&key.id)
            .fetch_optional(executor)
            .await
            .map_err(failed)?;
    match row {
        None => Ok(None),
        Some((hash, resource)) if hash == key.hash => Ok(Some(resource)),
        Some((_, resource)) => Err(reused(key, resource)),
    }
}

/// Notes within the transaction that makes the resource that the request has been served.
pub(super) async fn note(
    executor: impl Executor<'_, Database = Sqlite>,
    key: Option<&RequestKey>,
    resource: &str,
) -> Result<()> {
    let Some(key) = key else { return Ok(()) };
    sqlx::query("INSERT INTO request_ids (scope, id, request_hash, resource, time) VALUES ($1, $2, $3, $4, $5)")
        .bind(key.scope)
        .bind(&key.id)
        .bind(&key.hash)
        .bind(resource)
        .bind(to_sql(to_micros(SystemTime::now())))
        .execute(executor)
        .await
        .map_err(failed)?;
    Ok(())
}

/// A deleted resource forgets its request ids, so that a later request under the same id makes it anew.
pub(super) async fn forget(executor: impl Executor<'_, Database = Sqlite>, resource: &str) -> Result<()> {
    let query = sqlx::query("DELETE FROM request_ids WHERE resource = $1").bind(resource);
    query.execute(executor).await.map_err(failed)?;
    Ok(())
}

fn reused(key: &RequestKey, resource: String) -> Error {
    let message = format!(
        "request_id `{}` was used for a different request, which made `{resource}`; use a fresh id for a new request",
        key.id
    );
    Error::new(ErrorKind::AlreadyExists, "REQUEST_ID_REUSED", message).with_resource("request", resource)
}
