//! Writes a version as a file of weights in a chosen format.

use std::path::PathBuf;

use super::file_size;
use crate::device::{DeviceHandle, ModelSource};
use crate::domain::Result;
use crate::domain::model::ModelFormat;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    pub size_bytes: u64,
}

impl DeviceHandle {
    /// Loads the version if it is not resident and writes it to `path`.
    pub async fn export(&self, source: ModelSource, format: ModelFormat, path: PathBuf) -> Result<Exported> {
        self.call(move |residents| {
            residents.lease(&source)?.save(&path, format)?;
            Ok(Exported { size_bytes: file_size(&path)? })
        })
        .await
    }
}
