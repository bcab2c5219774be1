//! Datasets: register, upload, look at, delete.

use super::handle::{Engine, not_yet};
use super::requests::{BeginUpload, RegisterDataset};
use super::{Page, PageRequest};
use crate::domain::Result;
use crate::domain::dataset::DatasetRecord;
use crate::domain::ids::DatasetId;

impl Engine {
    /// Reads the files once, into the data directory.
    pub async fn register_dataset(&self, request: RegisterDataset) -> Result<DatasetRecord> {
        let _ = request;
        Err(not_yet("RegisterDataset"))
    }

    /// The bytes follow through the handle.
    pub async fn begin_upload(&self, request: BeginUpload) -> Result<Upload> {
        let _ = request;
        Err(not_yet("UploadDataset"))
    }

    pub async fn get_dataset(&self, id: &DatasetId) -> Result<DatasetRecord> {
        let _ = id;
        Err(not_yet("GetDataset"))
    }

    /// In the order of their ids.
    pub async fn list_datasets(&self, page: &PageRequest) -> Result<Page<DatasetRecord>> {
        let _ = page;
        Err(not_yet("ListDatasets"))
    }

    /// Refused while an unfinished job uses it.
    pub async fn delete_dataset(&self, id: &DatasetId) -> Result<()> {
        let _ = id;
        Err(not_yet("DeleteDataset"))
    }
}

/// An upload under way; dropping it before `finish` forgets the bytes.
#[derive(Debug)]
pub struct Upload {}

impl Upload {
    /// Appends; refused beyond the configured size.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let _ = bytes;
        Err(not_yet("UploadDataset"))
    }

    /// Reads what was written as a dataset and registers it.
    pub async fn finish(self) -> Result<DatasetRecord> {
        Err(not_yet("UploadDataset"))
    }
}
