//! Models: the record that may change (served version, device), its revision, and the counter of version numbers.

use sqlx::{Executor, Sqlite, Transaction};

use super::connection::{Store, commit};
use super::failure::{failed, from_json, is_duplicate, to_json, to_sql};
use super::paging::{Page, PageRequest};
use super::requests::{self, RequestKey};
use super::versions;
use crate::domain::ids::{ModelId, VersionName};
use crate::domain::model::{ModelRecord, VersionRecord};
use crate::domain::{Error, ErrorKind, Result};

/// A model and the revision of its record.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredModel {
    pub record: ModelRecord,
    pub revision: i64,
    /// Whether its served version is wanted in device memory.
    pub loaded: bool,
}

impl StoredModel {
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.revision)
    }
}

impl Store {
    /// Registers a model together with its first version, whose number the model serves.
    pub async fn insert_model(
        &self,
        model: &ModelRecord,
        version: &VersionRecord,
        request: Option<&RequestKey>,
    ) -> Result<StoredModel> {
        let mut transaction = self.begin().await?;
        sqlx::query("INSERT INTO models (id, next_version, revision, loaded, body) VALUES ($1, $2, 1, 1, $3)")
            .bind(model.id.id())
            .bind(to_sql(u64::from(version.name.number) + 1))
            .bind(to_json(model)?)
            .execute(&mut *transaction)
            .await
            .map_err(|error| duplicate_or_failed(error, &model.id))?;
        versions::insert(&mut transaction, version).await?;
        requests::note(&mut *transaction, request, &model.id.to_string()).await?;
        commit(transaction).await?;
        Ok(StoredModel { record: model.clone(), revision: 1, loaded: true })
    }

    pub async fn model(&self, id: &ModelId) -> Result<StoredModel> {
        fetch(self.readers(), id).await
    }

    /// In the order of their ids.
    pub async fn models_page(&self, request: &PageRequest) -> Result<Page<StoredModel>> {
        let after = request.start_after("models")?.unwrap_or_default();
        let rows: Vec<ModelRow> =
            sqlx::query_as("SELECT revision, loaded, body FROM models WHERE id > $1 ORDER BY id LIMIT $2")
                .bind(after)
                .bind(to_sql(request.limit() as u64 + 1))
                .fetch_all(self.readers())
                .await
                .map_err(failed)?;
        let models = rows.into_iter().map(read_model).collect::<Result<Vec<_>>>()?;
        Ok(request.page("models", models, |model| model.record.id.id().to_owned()))
    }

    /// Serves `version` from now on. A non-empty `etag` must be the model's (ABORTED otherwise).
    pub async fn set_served(&self, version: &VersionName, etag: &str) -> Result<StoredModel> {
        let mut transaction = self.begin().await?;
        let mut model = fetch(&mut *transaction, &version.model).await?;
        check_etag(etag, &model.etag(), "model", &model.record.id.to_string())?;
        versions::fetch(&mut *transaction, version).await?;
        model.record.served = version.number;
        update(&mut transaction, &mut model).await?;
        commit(transaction).await?;
        Ok(model)
    }

    /// Notes on which device the model lives, and whether it is wanted there.
    pub async fn set_placement(&self, id: &ModelId, device: &str, loaded: bool) -> Result<StoredModel> {
        let mut transaction = self.begin().await?;
        let mut model = fetch(&mut *transaction, id).await?;
        model.record.device = device.to_owned();
        model.loaded = loaded;
        update(&mut transaction, &mut model).await?;
        commit(transaction).await?;
        Ok(model)
    }

    /// A fresh version number; a number handed out is never handed out again, used or not.
    pub async fn reserve_version(&self, id: &ModelId) -> Result<VersionName> {
        let mut transaction = self.begin().await?;
        let row: Option<(i64,)> = sqlx::query_as("SELECT next_version FROM models WHERE id = $1")
            .bind(id.id())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(failed)?;
        let (next,) = row.ok_or_else(|| Error::not_found("model", id.to_string()))?;
        sqlx::query("UPDATE models SET next_version = $2 WHERE id = $1")
            .bind(id.id())
            .bind(next + 1)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        commit(transaction).await?;
        let number = u32::try_from(next).map_err(|_| Error::internal("version numbers are used up"))?;
        Ok(VersionName { model: id.clone(), number })
    }

    /// Removes the model with all its versions and its request id. A non-empty `etag` must be the model's.
    pub async fn delete_model(&self, id: &ModelId, etag: &str) -> Result<()> {
        let mut transaction = self.begin().await?;
        let model = fetch(&mut *transaction, id).await?;
        check_etag(etag, &model.etag(), "model", &id.to_string())?;
        for statement in ["DELETE FROM versions WHERE model = $1", "DELETE FROM models WHERE id = $1"] {
            sqlx::query(statement).bind(id.id()).execute(&mut *transaction).await.map_err(failed)?;
        }
        requests::forget(&mut *transaction, &id.to_string()).await?;
        commit(transaction).await
    }
}

async fn fetch(executor: impl Executor<'_, Database = Sqlite>, id: &ModelId) -> Result<StoredModel> {
    let query = sqlx::query_as("SELECT revision, loaded, body FROM models WHERE id = $1").bind(id.id());
    let row: Option<ModelRow> = query.fetch_optional(executor).await.map_err(failed)?;
    read_model(row.ok_or_else(|| Error::not_found("model", id.to_string()))?)
}

/// Revision, loaded, body.
type ModelRow = (i64, i64, String);

fn read_model((revision, loaded, body): ModelRow) -> Result<StoredModel> {
    Ok(StoredModel { record: from_json(&body)?, revision, loaded: loaded == 1 })
}

async fn update(transaction: &mut Transaction<'static, Sqlite>, model: &mut StoredModel) -> Result<()> {
    model.revision += 1;
    sqlx::query("UPDATE models SET revision = $2, loaded = $3, body = $4 WHERE id = $1")
        .bind(model.record.id.id())
        .bind(model.revision)
        .bind(i64::from(model.loaded))
        .bind(to_json(&model.record)?)
        .execute(&mut **transaction)
        .await
        .map_err(failed)?;
    Ok(())
}

fn duplicate_or_failed(error: sqlx::Error, id: &ModelId) -> Error {
    if is_duplicate(&error) { Error::already_exists("model", id.to_string()) } else { failed(error) }
}

/// An empty etag asks for nothing.
pub fn check_etag(given: &str, current: &str, resource_type: &str, name: &str) -> Result<()> {
    if given.is_empty() || given == current {
        return Ok(());
    }
    let message = format!("`{name}` has changed: etag is {current}, not {given}; read it again and decide anew");
    Err(Error::new(ErrorKind::Aborted, "ETAG_MISMATCH", message).with_resource(resource_type, name))
}
