//! What is open or under way in this process; the store knows everything that lasts.

use std::sync::Arc;

use dashmap::DashMap;

use super::core::Core;
use super::failure::blocking;
use crate::device::{CancelReason, CancelToken};
use crate::domain::Result;
use crate::domain::ids::{DatasetId, JobId};
use crate::storage::datasets::Dataset;

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
pub(super) struct Datasets(DashMap<DatasetId, Arc<Dataset>>);

impl Datasets {
    /// Forgets the open files of a deleted dataset; those who still read keep theirs.
    pub(super) fn close(&self, id: &DatasetId) {
        self.0.remove(id);
    }
}

impl Core {
    pub(super) async fn open_dataset(&self, id: &DatasetId) -> Result<Arc<Dataset>> {
        if let Some(open) = self.datasets.0.get(id) {
            return Ok(open.clone());
        }
        let record = self.store.dataset(id).await?;
        let folder = self.layout.dataset(id);
        let opened = Arc::new(blocking(move || Dataset::open(&record, &folder)).await?);
        Ok(self.datasets.0.entry(id.clone()).or_insert(opened).clone())
    }
}
