//! (being written)

use std::path::{Path, PathBuf};

use crate::domain::dataset::{DatasetFormat, DatasetRecord};
use crate::domain::ids::DatasetId;
use crate::domain::{Error, Result};

use super::limits::Limits;

/// What to read and how to understand it.
#[derive(Debug, Clone)]
pub struct IngestRequest {
    pub id: DatasetId,
    /// As the client gave it; empty for uploads.
    pub uri: String,
    /// Where the file or folder is on this machine.
    pub path: PathBuf,
    /// Absent: from the path.
    pub format: Option<DatasetFormat>,
    /// For sources without split names: what to call theirs (absent: from the file's name, else `train`). For sources with
    /// several: the only one to read.
    pub split: Option<String>,
    /// Parquet and CSV; absent: found by name and type.
    pub image_column: Option<String>,
    pub label_column: Option<String>,
    /// In the order of the class indices; empty: as the source says.
    pub class_names: Vec<String>,
}

/// Reads, checks, hashes and stores a dataset in `folder`, which must not exist yet. `progress` hears (done, total) samples.
pub fn ingest(request: &IngestRequest, folder: &Path, progress: &dyn Fn(u64, u64)) -> Result<DatasetRecord> {
    ingest_within(request, folder, &Limits::default(), progress)
}

/// `ingest` with other limits.
pub fn ingest_within(
    request: &IngestRequest,
    folder: &Path,
    limits: &Limits,
    progress: &dyn Fn(u64, u64),
) -> Result<DatasetRecord> {
    let _ = (request, folder, limits, progress);
    Err(Error::internal("not yet written"))
}
