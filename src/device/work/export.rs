//! Writes a version as a file of weights in a chosen format.

use std::path::Path;

use super::file_size;
use crate::device::{DeviceHandle, ModelSource};
use crate::domain::Result;
use crate::domain::model::ModelFormat;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    pub size_bytes: u64,
}

impl DeviceHandle {
    /// Loads the version if it is not resident and writes it to `path`; a language model as a package, with its adapter merged.
    pub async fn export(
        &self,
        source: ModelSource,
        format: ModelFormat,
        path: impl AsRef<Path> + Send + 'static,
    ) -> Result<Exported> {
        self.call(move |residents| {
            let path = path.as_ref();
            match source.spec.text {
                None => residents.lease(&source)?.save(path, format)?,
                Some(_) => {
                    let language = residents.lease_language(&source)?;
                    language.save_with(&language.merged()?, path)?;
                }
            }
            Ok(Exported { size_bytes: file_size(path)? })
        })
        .await
    }
}
