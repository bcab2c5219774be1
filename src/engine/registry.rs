//! What is open or under way in this process; the store knows everything that lasts.

use std::sync::Arc;

use dashmap::DashMap;

use super::core::Core;
use super::failure::blocking;
use crate::device::{CancelReason, CancelToken};
use crate::domain::ids::{DatasetId, JobId};
use crate::domain::{Error, Result};
use crate::storage::datasets::{Dataset, TextDataset};

/// Cancel tokens of the jobs that run.
#[derive(Debug, Default)]
pub(super) struct RunningJobs(DashMap<JobId, CancelToken>);

impl RunningJobs {
    pub(super) fn begin(&self, id: &JobId) -> CancelToken {
        let token = CancelToken::new();
        self.0.insert(id.clone(), token.clone());
        token
    }

    pub(super) fn end(&self, id: &JobId) {
        self.0.remove(id);
    }

    pub(super) fn cancel(&self, id: &JobId) {
        if let Some(token) = self.0.get(id) {
            token.cancel(CancelReason::Requested);
        }
    }

    pub(super) fn stop_all(&self) {
        for entry in &self.0 {
            entry.value().cancel(CancelReason::Shutdown);
        }
    }
}

/// Datasets opened for reading; shared by everyone who reads them.
#[derive(Debug, Default)]
pub(super) struct Datasets(DashMap<DatasetId, OpenDataset>);

#[derive(Debug, Clone)]
pub(super) enum OpenDataset {
    Images(Arc<Dataset>),
    Texts(Arc<TextDataset>),
}

impl Datasets {
    /// Forgets the open files of a deleted dataset; those who still read keep theirs.
    pub(super) fn close(&self, id: &DatasetId) {
        self.0.remove(id);
    }
}

impl Core {
    /// # Errors
    /// `DATASET_HOLDS_TEXTS`.
    pub(super) async fn open_images(&self, id: &DatasetId) -> Result<Arc<Dataset>> {
        match self.open_dataset(id).await? {
            OpenDataset::Images(dataset) => Ok(dataset),
            OpenDataset::Texts(_) => {
                let message = format!("`{id}` holds texts, and images are needed here; name a dataset of images");
                Err(Error::failed_precondition("DATASET_HOLDS_TEXTS", message).with_resource("dataset", id.to_string()))
            }
        }
    }

    pub(super) async fn open_dataset(&self, id: &DatasetId) -> Result<OpenDataset> {
        if let Some(open) = self.datasets.0.get(id) {
            return Ok(open.clone());
        }
        let record = self.store.dataset(id).await?;
        let folder = self.layout.dataset(id);
        let opened = blocking(move || match record.text_form {
            None => Dataset::open(&record, &folder).map(Arc::new).map(OpenDataset::Images),
            Some(_) => TextDataset::open(&record, &folder).map(Arc::new).map(OpenDataset::Texts),
        })
        .await?;
        Ok(self.datasets.0.entry(id.clone()).or_insert(opened).clone())
    }
}
