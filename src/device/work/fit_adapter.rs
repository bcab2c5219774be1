//! Checks an adapter from elsewhere against the model that it is to run beside, and writes it as one file.

use std::path::PathBuf;

use crate::device::{DeviceHandle, ModelSource, Residents};
use crate::domain::Result;
use crate::domain::text_training::LoraSpec;
use crate::ml::language::lora::{AdapterFiles, LoadedAdapter};

/// An adapter that fits.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedAdapter {
    pub lora: LoraSpec,
    pub parameter_count: u64,
}

impl DeviceHandle {
    /// Loads the model if it is not resident.
    ///
    /// # Errors
    /// What the adapter is refused for.
    pub async fn fit_adapter(&self, base: ModelSource, files: AdapterFiles, target: PathBuf) -> Result<FittedAdapter> {
        self.call(move |residents| fit(residents, &base, &files, &target)).await
    }
}

fn fit(
    residents: &mut Residents,
    base: &ModelSource,
    files: &AdapterFiles,
    target: &std::path::Path,
) -> Result<FittedAdapter> {
    let language = residents.lease_language(base)?;
    let LoadedAdapter { adapter, spec, .. } = language.fit(files)?;
    language.save_adapter(&adapter, &spec, &base.version.to_string(), target)?;
    let parameter_count = adapter.tensors().iter().map(|(_, tensor)| tensor.numel() as u64).sum();
    Ok(FittedAdapter { lora: spec, parameter_count })
}
