//! An adapter as one file: peft's `adapter_model.safetensors` with its settings as text in the header.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;

use super::config::malformed;
use super::file::{AdapterFiles, CONFIG};
use crate::domain::Result;
use crate::domain::disk::io_failed;
use crate::ml::language::package::header_texts;

impl AdapterFiles {
    /// The bytes of the one file; the same adapter gives the same bytes.
    pub fn pack(&self) -> Result<Vec<u8>> {
        let tensors = SafeTensors::deserialize(&self.weights).map_err(|error| malformed(error.to_string()))?;
        let texts = HashMap::from([(CONFIG.to_owned(), self.config.clone())]);
        safetensors::serialize(tensors.tensors(), Some(texts)).map_err(|error| malformed(error.to_string()))
    }

    /// Reads the one file.
    ///
    /// # Errors
    /// `MALFORMED_ADAPTER`.
    pub fn unpack(path: &Path) -> Result<Self> {
        let config = header_texts(path)?.remove(CONFIG);
        let config = config.ok_or_else(|| malformed("the stored adapter has no settings".to_owned()))?;
        let weights = std::fs::read(path).map_err(|error| io_failed("read an adapter", error))?;
        Ok(Self { config, weights })
    }
}
