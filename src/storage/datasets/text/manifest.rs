//! What a text dataset's folder holds: `manifest.json` and, for the split number `i`,
//!
//! ```text
//! i.examples          examples as JSON, a line each
//! i.examples.offsets  little-endian u64, one more than there are examples
//! i.labels            little-endian u32, where the examples have labels
//! i.column-j          the texts of column j, one after the other, and i.column-j.offsets as above
//! ```
//!
//! Every file is listed with its size and SHA-256. The version changes when an older daemon could not read the folder.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::text::TextForm;
use crate::domain::{Error, Result};
use crate::storage::atomic;
use crate::storage::datasets::manifest::{FILE_NAME, StoredColumn, StoredFile, lost};

pub(super) const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct TextManifest {
    pub(super) version: u32,
    pub(super) content_hash: String,
    pub(super) form: TextForm,
    pub(super) class_names: Vec<String>,
    pub(super) splits: Vec<StoredTexts>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredTexts {
    pub(super) name: String,
    pub(super) sample_count: u64,
    pub(super) examples: StoredFile,
    pub(super) offsets: StoredFile,
    pub(super) labels: Option<StoredFile>,
    pub(super) columns: Vec<StoredColumn>,
}

impl TextManifest {
    /// Reads the manifest and checks that the files have the sizes it says.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let text = std::fs::read(folder.join(FILE_NAME))
            .map_err(|error| lost("its manifest cannot be read").with_source(error))?;
        let manifest: Self =
            serde_json::from_slice(&text).map_err(|error| lost("its manifest is malformed").with_source(error))?;
        if manifest.version != VERSION {
            let version = manifest.version;
            let why = format!("it was stored by another version of unlearnd (format {version}); register it again");
            return Err(Error::failed_precondition("DATASET_FORMAT_VERSION", why));
        }
        manifest.files().try_for_each(|file| file.check_size(folder))?;
        Ok(manifest)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::internal("failed to write a manifest").with_source(error))?;
        atomic::write(&folder.join(FILE_NAME), &text)
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &StoredFile> {
        self.splits.iter().flat_map(|split| {
            let columns = split.columns.iter().flat_map(|column| [&column.values, &column.offsets]);
            [&split.examples, &split.offsets].into_iter().chain(&split.labels).chain(columns)
        })
    }
}
