//! Datasets: register, look at, delete.

use std::sync::Arc;

use super::core::Core;
use super::failure::blocking;
use super::handle::Engine;
use super::ingest::Ingest;
use super::models::request_key;
use super::requests::RegisterDataset;
use super::{Page, PageRequest};
use crate::domain::dataset::DatasetRecord;
use crate::domain::ids::DatasetId;
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::atomic;
use crate::storage::datasets::Limits;
use crate::storage::store::RequestKey;

impl Engine {
    /// Reads the files once, into the data directory.
    ///
    /// # Cancel safety
    /// A dropped registration stops before the dataset is known; what was read is removed by the next attempt.
    pub async fn register_dataset(&self, request: RegisterDataset) -> Result<DatasetRecord> {
        let core = &self.core;
        core.check_ready()?;
        let _turn = core.locks.lock(&request.id.to_string()).await;
        let key = request_key("RegisterDataset", request.request_id.as_ref(), &request)?;
        if let Some(made) = core.dataset_made_before(key.as_ref()).await? {
            return Ok(made);
        }
        core.check_dataset_free(&request.id).await?;
        let (roots, uri) = (core.roots.clone(), request.uri.clone());
        let path = blocking(move || roots.resolve(&uri, "uri")).await?;
        core.ingest(Ingest::new(request, path)?, key.as_ref()).await
    }

    pub async fn get_dataset(&self, id: &DatasetId) -> Result<DatasetRecord> {
        self.core.store.dataset(id).await
    }

    /// In the order of their ids.
    pub async fn list_datasets(&self, page: &PageRequest) -> Result<Page<DatasetRecord>> {
        self.core.store.datasets_page(page).await
    }

    /// Refused while an unfinished job uses it.
    pub async fn delete_dataset(&self, id: &DatasetId) -> Result<()> {
        let core = &self.core;
        let _turn = core.locks.lock(&id.to_string()).await;
        let _gate = core.gate.lock().await;
        core.store.dataset(id).await?;
        let jobs = core.store.unfinished_jobs().await?;
        if let Some(job) = jobs.iter().find(|job| job.spec.datasets().contains(&id)) {
            let message = format!("dataset `{id}` is used by `{}`; wait for it or cancel it first", job.id);
            let error = Error::failed_precondition("RESOURCE_IN_USE", message);
            return Err(error.with_resource("job", job.id.to_string()));
        }
        core.store.delete_dataset(id).await?;
        core.datasets.close(id);
        let folder = core.layout.dataset(id);
        blocking(move || atomic::remove(&folder)).await
    }
}

impl Core {
    /// Reads the files and makes the dataset known. The caller holds the dataset's lock.
    pub(super) async fn ingest(self: &Arc<Self>, request: Ingest, key: Option<&RequestKey>) -> Result<DatasetRecord> {
        let folder = self.layout.dataset(request.id());
        let limits = Limits {
            stored_bytes: self.options.max_dataset_bytes,
            header_reader: self.options.program.clone(),
            ..Limits::default()
        };
        let record = blocking(move || {
            // Nothing in the store knows this folder: it was left by an attempt that did not end.
            atomic::remove(&folder)?;
            let read = request.read(&folder, &limits);
            if read.is_err() {
                let _ = atomic::remove(&folder);
            }
            read.map_err(|error| error.about("uri"))
        })
        .await?;
        self.store.insert_dataset(&record, key).await?;
        Ok(record)
    }

    pub(super) async fn dataset_made_before(&self, key: Option<&RequestKey>) -> Result<Option<DatasetRecord>> {
        let Some(key) = key else { return Ok(None) };
        match self.store.find_request(key).await? {
            Some(name) => self.store.dataset(&name.parse()?).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn check_dataset_free(&self, id: &DatasetId) -> Result<()> {
        match self.store.dataset(id).await {
            Ok(_) => Err(Error::already_exists("dataset", id.to_string())),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}
