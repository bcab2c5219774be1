//! Reads a source once, checks every sample and stores the dataset in a folder of its own, whole or not at all.
//!
//! A pass writes one of two layouts. *Plain* keeps decoded pixels, so that later reads are a copy; it needs images of one
//! shape a split that fit the limit. When a pass finds that they do not, it begins again with *encoded*, which keeps the JPEG
//! and PNG bytes. Batches of the source are decoded in parallel and written in order; a few images a thread are in memory.

use std::fs;
use std::path::{Path, PathBuf};

use crate::domain::dataset::{DatasetFormat, DatasetRecord};
use crate::domain::ids::DatasetId;
use crate::domain::{Error, Result};
use crate::storage::atomic;

use super::format;
use super::limits::Limits;
use super::manifest::Layout;
use super::pass::Pass;

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
    if folder.exists() {
        return Err(Error::already_exists("dataset", request.id.to_string()));
    }
    let format = request.format.map_or_else(|| DatasetFormat::from_path(&request.path), Ok)?;
    let reader = format::open(&with_empty_as_absent(request), format, limits)?;
    let staging = Staging::create(folder)?;
    let stored = match Pass::run(Layout::Plain, request, &*reader, &staging.path, limits, progress)? {
        Some(stored) => stored,
        None => Pass::run(Layout::Encoded, request, &*reader, &staging.path, limits, progress)?
            .ok_or_else(|| Error::internal("the encoded layout takes every image"))?,
    };
    stored.manifest.write(&staging.path)?;
    let record = stored.record(request, format, reader.columns(), staging.size()?);
    staging.publish(folder)?;
    Ok(record)
}

/// Requests from the wire say "absent" by an empty text.
fn with_empty_as_absent(request: &IngestRequest) -> IngestRequest {
    let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    IngestRequest {
        split: present(&request.split),
        image_column: present(&request.image_column),
        label_column: present(&request.label_column),
        ..request.clone()
    }
}

/// A folder beside the final one; removed unless it is published.
pub(super) struct Staging {
    pub(super) path: PathBuf,
}

impl Staging {
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let path = atomic::temporary_beside(folder);
        fs::create_dir_all(&path).map_err(|error| atomic::io_failed("store a dataset", error))?;
        Ok(Self { path })
    }

    pub(super) fn size(&self) -> Result<u64> {
        let size = || fs::read_dir(&self.path)?.map(|entry| Ok(entry?.metadata()?.len())).sum::<std::io::Result<u64>>();
        size().map_err(|error| atomic::io_failed("store a dataset", error))
    }

    pub(super) fn publish(self, folder: &Path) -> Result<()> {
        let publish = || {
            fs::File::open(&self.path)?.sync_all()?;
            fs::rename(&self.path, folder)?;
            atomic::sync_parent(folder)
        };
        publish().map_err(|error| atomic::io_failed("store a dataset", error))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
