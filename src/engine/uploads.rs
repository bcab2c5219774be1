//! Datasets that come through the connection: bytes into a file, then as any other dataset.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::core::Core;
use super::failure::blocking;
use super::handle::Engine;
use super::ingest::Ingest;
use super::models::request_key;
use super::requests::{BeginUpload, RegisterDataset};
use crate::domain::dataset::{DatasetFormat, DatasetRecord};
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::atomic::{self, hex, io_failed};

impl Engine {
    /// The bytes follow through the handle.
    pub async fn begin_upload(&self, request: BeginUpload) -> Result<Upload> {
        self.core.check_ready()?;
        let extension = extension(request.format)?;
        if request.request_id.is_none() {
            self.core.check_dataset_free(&request.id).await?;
        }
        let folder = self.core.layout.uploads().join(uuid::Uuid::new_v4().simple().to_string());
        tokio::fs::create_dir(&folder).await.map_err(|error| io_failed("make a folder", error))?;
        let path = folder.join(format!("train.{extension}"));
        let parcel = Parcel(folder);
        let file = File::create(&path).await.map_err(|error| io_failed("create a file", error))?;
        let core = self.core.clone();
        Ok(Upload { core, request, parcel, path, file, hasher: Sha256::new(), size_bytes: 0 })
    }
}

/// The folder of one upload; gone when dropped.
#[derive(Debug)]
struct Parcel(PathBuf);

impl Drop for Parcel {
    fn drop(&mut self) {
        if let Err(error) = atomic::remove(&self.0) {
            tracing::warn!(error = %error, "an upload was not removed; the next start removes it");
        }
    }
}

/// An upload under way; dropping it before `finish` forgets the bytes.
pub struct Upload {
    core: Arc<Core>,
    request: BeginUpload,
    parcel: Parcel,
    path: PathBuf,
    file: File,
    hasher: Sha256,
    size_bytes: u64,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, size_bytes) = (&self.request.id, self.size_bytes);
        formatter.debug_struct("Upload").field("id", id).field("size_bytes", &size_bytes).finish_non_exhaustive()
    }
}

/// What makes two uploads the same request.
#[derive(Serialize)]
struct Identity<'a> {
    request: &'a BeginUpload,
    sha256: String,
}

impl Upload {
    /// Appends; refused beyond the configured size.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let limit = self.core.options.max_upload_bytes;
        self.size_bytes += bytes.len() as u64;
        if self.size_bytes > limit {
            let message = format!(
                "the upload is larger than {limit} bytes; put the file into a root of the daemon and register it"
            );
            return Err(Error::new(ErrorKind::ResourceExhausted, "UPLOAD_TOO_LARGE", message));
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).await.map_err(|error| io_failed("write an upload", error))
    }

    /// Reads what was written as a dataset and registers it.
    pub async fn finish(self) -> Result<DatasetRecord> {
        let Self { core, request, parcel, path, mut file, hasher, size_bytes } = self;
        if size_bytes == 0 {
            return Err(Error::invalid("EMPTY_UPLOAD", "chunk", "no bytes came; send the file after the header"));
        }
        file.flush().await.map_err(|error| io_failed("write an upload", error))?;
        let identity = Identity { request: &request, sha256: hex(&hasher.finalize()) };
        let key = request_key("UploadDataset", request.request_id.as_ref(), &identity)?;
        let _turn = core.locks.lock(&request.id.to_string()).await;
        if let Some(made) = core.dataset_made_before(key.as_ref()).await? {
            return Ok(made);
        }
        core.check_dataset_free(&request.id).await?;
        let record = match Ingest::new(request.into(), path) {
            Ok(ingest) => core.ingest(ingest, key.as_ref()).await,
            Err(error) => Err(error),
        };
        let _ = blocking(move || {
            drop(parcel);
            Ok(())
        })
        .await;
        record
    }
}

/// The same from a place on this machine.
impl From<BeginUpload> for RegisterDataset {
    fn from(upload: BeginUpload) -> Self {
        let BeginUpload { id, format, split, image_column, label_column, class_names, text, request_id } = upload;
        let (uri, format) = (String::new(), Some(format));
        Self { id, uri, format, split, image_column, label_column, class_names, text, request_id }
    }
}

fn extension(format: DatasetFormat) -> Result<&'static str> {
    match format {
        DatasetFormat::Parquet => Ok("parquet"),
        DatasetFormat::Safetensors => Ok("safetensors"),
        DatasetFormat::Npz => Ok("npz"),
        DatasetFormat::Csv => Ok("csv"),
        DatasetFormat::Jsonl => Ok("jsonl"),
        DatasetFormat::ImageFolder => {
            let description = "an image folder cannot be uploaded; put it into a root of the daemon and register it";
            Err(Error::invalid("FORMAT_NOT_UPLOADABLE", "header.format", description))
        }
    }
}
