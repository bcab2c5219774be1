//! What a version is made of, as far as callers must know before they ask for more.

use super::embed::check_embed;
use crate::device::{DeviceHandle, ModelSource, Residents};
use crate::domain::Result;

/// What a concept bank must fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingAnatomy {
    /// Length of an embedding.
    pub dim: u32,
    /// SHA-256 of everything below the head.
    pub prefix_hash: String,
}

impl DeviceHandle {
    /// Loads the version if it is not resident, and looks at its embedding.
    ///
    /// # Errors
    /// `EMBED_NOT_EXPORTED` for a model without one.
    pub async fn inspect_embedding(&self, source: ModelSource) -> Result<EmbeddingAnatomy> {
        self.call(move |residents| inspect_embedding(residents, &source)).await
    }
}

fn inspect_embedding(residents: &mut Residents, source: &ModelSource) -> Result<EmbeddingAnatomy> {
    let backbone = residents.lease(source)?;
    check_embed(&backbone)?;
    let dim = u32::try_from(backbone.feature_dim()?).unwrap_or(u32::MAX);
    Ok(EmbeddingAnatomy { dim, prefix_hash: backbone.prefix_hash()? })
}
