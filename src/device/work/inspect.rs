//! What a version is made of, as far as callers must know before they ask for more.

use super::embed::check_embed;
use crate::device::{DeviceHandle, ModelSource, Residents};
use crate::domain::Result;

/// The parts of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anatomy {
    /// Absent for a model without `embed` and `head`.
    pub embedding: Option<EmbeddingAnatomy>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingAnatomy {
    /// Length of an embedding.
    pub dim: u32,
    /// SHA-256 of everything below the head.
    pub prefix_hash: String,
}

impl DeviceHandle {
    /// Loads the version if it is not resident, and looks at it.
    pub async fn inspect(&self, source: ModelSource) -> Result<Anatomy> {
        self.call(move |residents| inspect(residents, &source)).await
    }

    /// As `inspect`, for those who cannot do without an embedding.
    ///
    /// # Errors
    /// `EMBED_NOT_EXPORTED`
    pub async fn inspect_embedding(&self, source: ModelSource) -> Result<EmbeddingAnatomy> {
        self.call(move |residents| {
            check_embed(&*residents.lease(&source)?)?;
            let anatomy = inspect(residents, &source)?;
            anatomy.embedding.ok_or_else(|| crate::domain::Error::internal("an embedding vanished"))
        })
        .await
    }
}

fn inspect(residents: &mut Residents, source: &ModelSource) -> Result<Anatomy> {
    let backbone = residents.lease(source)?;
    let embedding = match backbone.has_embed() {
        true => {
            let dim = u32::try_from(backbone.feature_dim()?).unwrap_or(u32::MAX);
            Some(EmbeddingAnatomy { dim, prefix_hash: backbone.prefix_hash()? })
        }
        false => None,
    };
    Ok(Anatomy { embedding })
}
