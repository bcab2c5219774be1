//! Versions: rows that are written once.

use sqlx::{Executor, Sqlite, Transaction};

use super::connection::{Store, commit};
use super::failure::{failed, from_json, to_json, to_sql};
use super::paging::{Page, PageRequest};
use super::requests::{self, RequestKey};
use crate::domain::ids::{JobId, ModelId, VersionName};
use crate::domain::model::VersionRecord;
use crate::domain::{Error, Result};

impl Store {
    /// Adds a version under a number from `reserve_version`.
    pub async fn insert_version(&self, version: &VersionRecord, request: Option<&RequestKey>) -> Result<()> {
        let mut transaction = self.begin().await?;
        insert(&mut transaction, version).await?;
        requests::note(&mut *transaction, request, &version.name.to_string()).await?;
        commit(transaction).await
    }

    pub async fn version(&self, name: &VersionName) -> Result<VersionRecord> {
        fetch(self.readers(), name).await
    }

    pub async fn version_count(&self, model: &ModelId) -> Result<u32> {
        let query = sqlx::query_as("SELECT COUNT(*) FROM versions WHERE model = $1").bind(model.id());
        let (count,): (i64,) = query.fetch_one(self.readers()).await.map_err(failed)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// What the job has published, if it came that far in an earlier attempt.
    pub async fn version_of_job(&self, job: &JobId) -> Result<Option<VersionRecord>> {
        let query = sqlx::query_as("SELECT body FROM versions WHERE job = $1").bind(job.id());
        let row: Option<(String,)> = query.fetch_optional(self.readers()).await.map_err(failed)?;
        row.map(|(body,)| from_json(&body)).transpose()
    }

    /// Oldest first.
    pub async fn versions_page(&self, model: &ModelId, request: &PageRequest) -> Result<Page<VersionRecord>> {
        let query = format!("{model}/versions");
        let after = request.start_after(&query)?.and_then(|key| key.parse().ok()).unwrap_or(0_i64);
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT body FROM versions WHERE model = $1 AND number > $2 ORDER BY number LIMIT $3")
                .bind(model.id())
                .bind(after)
                .bind(to_sql(request.limit() as u64 + 1))
                .fetch_all(self.readers())
                .await
                .map_err(failed)?;
        let versions = rows.iter().map(|(body,)| from_json(body)).collect::<Result<Vec<VersionRecord>>>()?;
        Ok(request.page(&query, versions, |version| version.name.number.to_string()))
    }

    /// Removes the row; its number stays used.
    pub async fn delete_version(&self, name: &VersionName) -> Result<()> {
        let mut transaction = self.begin().await?;
        fetch(&mut *transaction, name).await?;
        sqlx::query("DELETE FROM versions WHERE model = $1 AND number = $2")
            .bind(name.model.id())
            .bind(i64::from(name.number))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        commit(transaction).await
    }
}

pub(super) async fn insert(transaction: &mut Transaction<'static, Sqlite>, version: &VersionRecord) -> Result<()> {
    sqlx::query("INSERT INTO versions (model, number, job, body) VALUES ($1, $2, $3, $4)")
        .bind(version.name.model.id())
        .bind(i64::from(version.name.number))
        .bind(version.lineage.job.as_ref().map(|job| job.id().to_owned()))
        .bind(to_json(version)?)
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

pub(super) async fn fetch(executor: impl Executor<'_, Database = Sqlite>, name: &VersionName) -> Result<VersionRecord> {
    let row: Option<(String,)> = sqlx::query_as("SELECT body FROM versions WHERE model = $1 AND number = $2")
        .bind(name.model.id())
        .bind(i64::from(name.number))
        .fetch_optional(executor)
        .await
        .map_err(failed)?;
    let (body,) = row.ok_or_else(|| Error::not_found("model version", name.to_string()))?;
    from_json(&body)
}
