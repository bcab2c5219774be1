//! What features depend on, and the file name made of it.

use sha2::{Digest, Sha256};

use crate::domain::finetune::Precision;
use crate::domain::model::Preprocessing;
use crate::domain::{Error, Result};

/// Identifies one set of features; equal keys mean equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ActivationKey {
    digest: String,
}

impl ActivationKey {
    /// `prefix_hash`: of everything below `layer`; `source`: `ImageSource::key`.
    pub fn new(
        prefix_hash: &str,
        layer: &str,
        source: &str,
        preprocessing: &Preprocessing,
        precision: Precision,
    ) -> Result<Self> {
        let parts = serde_json::to_vec(&(prefix_hash, layer, source, preprocessing, precision))
            .map_err(|error| Error::internal("failed to name cached activations").with_source(error))?;
        Ok(Self { digest: format!("{:x}", Sha256::digest(parts)) })
    }

    /// 64 hexadecimal digits.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}
