//! (being written)

use std::path::Path;
use std::sync::Arc;

use crate::domain::dataset::{DatasetRecord, ImageBatch, ImageShape, ImageSource};
use crate::domain::model::Resize;
use crate::domain::{Error, Result};

/// A stored dataset, opened for reading.
#[derive(Debug)]
pub struct Dataset {
    record: DatasetRecord,
}

impl Dataset {
    /// Opens what `ingest` stored in `folder`; `DATA_LOSS` when it is not what `record` says.
    pub fn open(record: &DatasetRecord, folder: &Path) -> Result<Self> {
        let _ = folder;
        Ok(Self { record: record.clone() })
    }

    pub fn record(&self) -> &DatasetRecord {
        &self.record
    }

    /// The named split, or with an empty name the only one.
    pub fn split(&self, name: &str) -> Result<Arc<Split>> {
        self.split_for(name, "")
    }

    /// The named split; with an empty name the one called `role` (`train`, `test`), else the only one.
    pub fn split_for(&self, name: &str, role: &str) -> Result<Arc<Split>> {
        let _ = (name, role);
        Err(Error::internal("not yet written"))
    }

    /// Reads every stored byte again and compares the checksums.
    pub fn verify(&self) -> Result<()> {
        Err(Error::internal("not yet written"))
    }
}

/// One split of a stored dataset.
#[derive(Debug)]
pub struct Split {
    key: String,
    labels: Vec<u32>,
}

impl ImageSource for Split {
    fn key(&self) -> &str {
        &self.key
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn read(&self, positions: &[usize], shape: ImageShape, resize: Resize) -> Result<ImageBatch> {
        let _ = (positions, shape, resize);
        Err(Error::internal("not yet written"))
    }
}
