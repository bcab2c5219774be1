//! Writes a version as a file of weights in a chosen format.

use std::path::PathBuf;

use crate::device::{DeviceHandle, ModelSource};
use crate::domain::model::ModelFormat;
use crate::domain::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    pub size_bytes: u64,
}

impl DeviceHandle {
    /// Loads the version if it is not resident and writes it to `path`.
    pub async fn export(&self, source: ModelSource, format: ModelFormat, path: PathBuf) -> Result<Exported> {
        self.call(move |_| Err(Error::internal(format!("not built yet: {source:?} {format:?} {path:?}")))).await
    }
}
