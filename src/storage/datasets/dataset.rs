//! A stored dataset of images, opened: its record and, as they are asked for, its splits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::dataset::DatasetRecord;
use crate::domain::ids::DatasetId;
use crate::domain::{Error, Result};

use super::classes::listed;
use super::manifest::{Manifest, lost};
use super::source::Split;

/// A stored dataset of images, opened for reading.
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

    /// The named split; with an empty name the only one, else the one called `role` (`train`, `test`).
    pub fn split_for(&self, name: &str, role: &str) -> Result<Arc<Split>> {
        let stored = find_split(&self.manifest.splits, |split| &split.name, &self.record.id, name, role)?;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(split) = opened.get(&stored.name) {
            return Ok(Arc::clone(split));
        }
        let split = Arc::new(Split::open(&self.folder, &self.manifest, stored)?);
        opened.insert(stored.name.clone(), Arc::clone(&split));
        Ok(split)
    }

    /// Reads every stored byte again and compares the checksums.
    pub fn verify(&self) -> Result<()> {
        self.manifest.files().try_for_each(|file| file.verify(&self.folder))
    }
}

/// The split called `name`; with an empty name the only one, else the one called `role`.
pub(super) fn find_split<'a, S>(
    splits: &'a [S],
    name_of: impl Fn(&S) -> &str,
    dataset: &DatasetId,
    name: &str,
    role: &str,
) -> Result<&'a S> {
    let named = |wanted: &str| splits.iter().find(|split| name_of(split) == wanted);
    let found = match (name, splits) {
        ("", [only]) => Some(only),
        ("", _) => named(role),
        (name, _) => named(name),
    };
    found.ok_or_else(|| {
        let names: Vec<String> = splits.iter().map(|split| name_of(split).to_owned()).collect();
        let what =
            if name.is_empty() { "must be stated".to_owned() } else { format!("`{name}` is not in the dataset") };
        Error::invalid("UNKNOWN_SPLIT", "split", format!("{what}; {dataset} has {}", listed(&names)))
    })
}
