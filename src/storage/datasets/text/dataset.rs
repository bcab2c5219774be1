//! A stored text dataset, opened: its record and, as they are asked for, its splits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::Result;
use crate::domain::dataset::DatasetRecord;
use crate::storage::datasets::dataset::find_split;
use crate::storage::datasets::manifest::lost;

use super::manifest::TextManifest;
use super::source::TextSplit;

#[derive(Debug)]
pub struct TextDataset {
    record: DatasetRecord,
    folder: PathBuf,
    manifest: TextManifest,
    opened: Mutex<BTreeMap<String, Arc<TextSplit>>>,
}

impl TextDataset {
    /// Opens what `ingest_text` stored in `folder`; `DATA_LOSS` when it is not what `record` says.
    pub fn open(record: &DatasetRecord, folder: &Path) -> Result<Self> {
        let manifest = TextManifest::read(folder)?;
        if manifest.content_hash != record.content_hash {
            return Err(lost("its files belong to other data"));
        }
        Ok(Self { record: record.clone(), folder: folder.to_owned(), manifest, opened: Mutex::default() })
    }

    pub fn record(&self) -> &DatasetRecord {
        &self.record
    }

    /// The named split, or with an empty name the only one.
    pub fn split(&self, name: &str) -> Result<Arc<TextSplit>> {
        self.split_for(name, "")
    }

    /// The named split; with an empty name the only one, else the one called `role` (`train`, `test`).
    pub fn split_for(&self, name: &str, role: &str) -> Result<Arc<TextSplit>> {
        let stored = find_split(&self.manifest.splits, |split| &split.name, &self.record.id, name, role)?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(split) = opened.get(&stored.name) {
            return Ok(Arc::clone(split));
        }
        let split = Arc::new(TextSplit::open(&self.folder, &self.manifest, stored)?);
        opened.insert(stored.name.clone(), Arc::clone(&split));
        Ok(split)
    }

    /// Reads every stored byte again and compares the checksums.
    pub fn verify(&self) -> Result<()> {
        self.manifest.files().try_for_each(|file| file.verify(&self.folder))
    }
}
