//! Dataset records.

use super::connection::{Store, commit};
use super::failure::{failed, from_json, is_duplicate, to_json, to_sql};
use super::paging::{Page, PageRequest};
use super::requests::{self, RequestKey};
use crate::domain::dataset::DatasetRecord;
use crate::domain::ids::DatasetId;
use crate::domain::{Error, Result};

impl Store {
    pub async fn insert_dataset(&self, dataset: &DatasetRecord, request: Option<&RequestKey>) -> Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query("INSERT INTO datasets (id, body) VALUES ($1, $2)")
            .bind(dataset.id.id())
            .bind(to_json(dataset)?)
            .execute(&mut *transaction)
            .await
            .map_err(|error| duplicate_or_failed(error, &dataset.id))?;
        requests::note(&mut *transaction, request, &dataset.id.to_string()).await?;
        commit(transaction).await
    }

    pub async fn dataset(&self, id: &DatasetId) -> Result<DatasetRecord> {
        let query = sqlx::query_as("SELECT body FROM datasets WHERE id = $1").bind(id.id());
        let row: Option<(String,)> = query.fetch_optional(self.readers()).await.map_err(failed)?;
        let (body,) = row.ok_or_else(|| Error::not_found("dataset", id.to_string()))?;
        from_json(&body)
    }

    /// In the order of their ids.
    pub async fn datasets_page(&self, request: &PageRequest) -> Result<Page<DatasetRecord>> {
        let after = request.start_after("datasets")?.unwrap_or_default();
        let rows: Vec<(String,)> = sqlx::query_as("SELECT body FROM datasets WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(to_sql(request.limit() as u64 + 1))
            .fetch_all(self.readers())
            .await
            .map_err(failed)?;
        let datasets = rows.iter().map(|(body,)| from_json(body)).collect::<Result<Vec<DatasetRecord>>>()?;
        Ok(request.page("datasets", datasets, |dataset| dataset.id.id().to_owned()))
    }

    /// Removes the record and its request id.
    pub async fn delete_dataset(&self, id: &DatasetId) -> Result<()> {
        self.dataset(id).await?;
        let mut transaction = self.begin().await?;
        let query = sqlx::query("DELETE FROM datasets WHERE id = $1").bind(id.id());
        query.execute(&mut *transaction).await.map_err(failed)?;
        requests::forget(&mut *transaction, &id.to_string()).await?;
        commit(transaction).await
    }
}

fn duplicate_or_failed(error: sqlx::Error, id: &DatasetId) -> Error {
    if is_duplicate(&error) { Error::already_exists("dataset", id.to_string()) } else { failed(error) }
}
