//! A stored dataset, opened: its record and, as they are asked for, its splits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::dataset::DatasetRecord;
use crate::domain::{Error, Result};

use super::classes::listed;
use super::manifest::{Manifest, StoredSplit, lost};
use super::source::Split;

/// A stored dataset, opened for reading.
#[derive(Debug)]
pub struct Dataset {
    record: DatasetRecord,
    folder: PathBuf,
    manifest: Manifest,
    opened: Mutex<BTreeMap<String, Arc<Split>>>,
}

impl Dataset {
    /// Opens what `ingest` stored in `folder`; `DATA_LOSS` when it is not what `record` says.
    pub fn open(record: &DatasetRecord, folder: &Path) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        if manifest.content_hash != record.content_hash {
            return Err(lost("its files belong to other data"));
        }
        Ok(Self { record: record.clone(), folder: folder.to_owned(), manifest, opened: Mutex::default() })
    }

    pub fn record(&self) -> &DatasetRecord {
        &self.record
    }

    /// The named split, or with an empty name the only one.
    pub fn split(&self, name: &str) -> Result<Arc<Split>> {
        self.split_for(name, "")
    }

    /// The named split; with an empty name the one called `role` (`train`, `test`), else the only one.
    pub fn split_for(&self, name: &str, role: &str) -> Result<Arc<Split>> {
        let stored = self.find(name, role)?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(split) = opened.get(&stored.name) {
            return Ok(Arc::clone(split));
        }
        let split = Arc::new(Split::open(&self.folder, &self.manifest, stored)?);
        opened.insert(stored.name.clone(), Arc::clone(&split));
        Ok(split)
    }

    fn find(&self, name: &str, role: &str) -> Result<&StoredSplit> {
        let named = |wanted: &str| self.manifest.splits.iter().find(|split| split.name == wanted);
        let found = match (name, self.manifest.splits.as_slice()) {
            ("", [only]) => Some(only),
            ("", _) => named(role),
            (name, _) => named(name),
        };
        found.ok_or_else(|| self.no_split(name))
    }

    fn no_split(&self, name: &str) -> Error {
        let names: Vec<String> = self.manifest.splits.iter().map(|split| split.name.clone()).collect();
        let what =
            if name.is_empty() { "must be stated".to_owned() } else { format!("`{name}` is not in the dataset") };
        Error::invalid("UNKNOWN_SPLIT", "split", format!("{what}; {} has {}", self.record.id, listed(&names)))
    }

    /// Reads every stored byte again and compares the checksums.
    pub fn verify(&self) -> Result<()> {
        self.manifest.files().try_for_each(|file| file.verify(&self.folder))
    }
}
