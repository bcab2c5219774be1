//! What a dataset's folder holds: `manifest.json` and, for the split number `i`,
//!
//! ```text
//! i.images            plain: height x width x channels values an image, bytes or little-endian f32
//!                     encoded: for each image a header of four little-endian u32 (kind, height, width, channels) and its bytes
//! i.images.offsets    encoded only: little-endian u64, one more than there are images
//! i.labels            little-endian u32
//! i.column-j          the texts of column j, one after the other, and i.column-j.offsets as above
//! ```
//!
//! Every file is listed with its size and SHA-256. The version changes when an older daemon could not read the folder.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::dataset::ImageShape;
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::atomic;

pub(super) const VERSION: u32 = 1;
pub(super) const FILE_NAME: &str = "manifest.json";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: u32,
    pub(super) content_hash: String,
    pub(super) class_names: Vec<String>,
    pub(super) splits: Vec<StoredSplit>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredSplit {
    pub(super) name: String,
    pub(super) sample_count: u64,
    pub(super) layout: Layout,
    pub(super) element: Stored,
    /// Absent when the images differ.
    pub(super) shape: Option<ImageShape>,
    pub(super) images: StoredFile,
    pub(super) offsets: Option<StoredFile>,
    pub(super) labels: StoredFile,
    pub(super) columns: Vec<StoredColumn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Layout {
    Plain,
    Encoded,
}

/// What decoded pixels are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stored {
    Bytes,
    Floats,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredFile {
    pub(super) name: String,
    pub(super) size_bytes: u64,
    pub(super) sha256: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredColumn {
    pub(super) name: String,
    pub(super) values: StoredFile,
    pub(super) offsets: StoredFile,
}

impl Manifest {
    /// Reads the manifest and checks that the files have the sizes it says.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let text = std::fs::read(folder.join(FILE_NAME))
            .map_err(|error| lost("its manifest cannot be read").with_source(error))?;
        let manifest: Self =
            serde_json::from_slice(&text).map_err(|error| lost("its manifest is malformed").with_source(error))?;
        if manifest.version != VERSION {
            let why = format!(
                "it was stored by another version of unlearnd (format {}); register it again",
                manifest.version
            );
            return Err(Error::failed_precondition("DATASET_FORMAT_VERSION", why));
        }
        for file in manifest.files() {
            file.check_size(folder)?;
        }
        Ok(manifest)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::internal("failed to write a manifest").with_source(error))?;
        atomic::write(&folder.join(FILE_NAME), &text)
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &StoredFile> {
        self.splits.iter().flat_map(StoredSplit::files)
    }
}

impl StoredSplit {
    fn files(&self) -> impl Iterator<Item = &StoredFile> {
        let columns = self.columns.iter().flat_map(|column| [&column.values, &column.offsets]);
        [&self.images, &self.labels].into_iter().chain(&self.offsets).chain(columns)
    }
}

impl StoredFile {
    pub(super) fn check_size(&self, folder: &Path) -> Result<()> {
        let size = folder.join(&self.name).metadata().map(|metadata| metadata.len()).ok();
        if size == Some(self.size_bytes) { Ok(()) } else { Err(lost("one of its files is missing or cut off")) }
    }

    /// Reads the file whole and checks it.
    pub(super) fn read(&self, folder: &Path) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read =
            File::open(folder.join(&self.name)).and_then(|file| file.take(self.size_bytes + 1).read_to_end(&mut bytes));
        read.map_err(|error| atomic::io_failed("read a dataset", error))?;
        let sha256 = atomic::hex(&<sha2::Sha256 as sha2::Digest>::digest(&bytes));
        if sha256 == self.sha256 { Ok(bytes) } else { Err(lost("one of its files is damaged")) }
    }

    /// Little-endian u64 offsets; ascending, from 0 to `end`.
    pub(super) fn read_offsets(&self, folder: &Path, end: u64) -> Result<Vec<u64>> {
        let bytes = self.read(folder)?;
        let offsets: Vec<u64> = bytes.as_chunks().0.iter().map(|offset| u64::from_le_bytes(*offset)).collect();
        match offsets.is_sorted() && offsets.first() == Some(&0) && offsets.last() == Some(&end) {
            true => Ok(offsets),
            false => Err(lost("one of its files is damaged")),
        }
    }

    /// Compares size and checksum.
    pub(super) fn verify(&self, folder: &Path) -> Result<()> {
        self.check_size(folder)?;
        let found = atomic::digest(&folder.join(&self.name))?;
        if found.sha256 == self.sha256 { Ok(()) } else { Err(lost("one of its files is damaged")) }
    }
}

pub(super) fn lost(why: &str) -> Error {
    let message = format!("the stored dataset is damaged: {why}; delete it and register it again");
    Error::new(ErrorKind::DataLoss, "DATASET_DAMAGED", message)
}
