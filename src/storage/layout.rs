//! Where things are in the data directory.
//!
//! ```text
//! lock  store.db  models/<m>/<n>.{safetensors,pt,hf}  datasets/<d>/  banks/<b>/  cache/  jobs/<j>/  uploads/  exports/  outgoing/
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use super::atomic::{self, io_failed};
use super::outgoing;
use crate::domain::Result;
use crate::domain::ids::{ConceptBankId, DatasetId, JobId, ModelId, VersionName};
use crate::domain::model::ModelFormat;

/// Paths below one data directory.
#[derive(Debug, Clone)]
pub struct DataLayout {
    root: PathBuf,
}

impl DataLayout {
    /// Makes the folders that are missing.
    pub fn create(root: &Path) -> Result<Self> {
        let make = |path: &Path| fs::create_dir_all(path).map_err(|error| io_failed("make a folder", error));
        make(root)?;
        let root = root.canonicalize().map_err(|error| io_failed("open the root", error))?;
        let layout = Self { root };
        for folder in ["models", "datasets", "banks", "cache", "jobs", "uploads", "exports", "outgoing"] {
            make(&layout.root.join(folder))?;
        }
        Ok(layout)
    }

    /// Removes what an earlier daemon left unfinished: uploads and partial files. Call under the lock.
    pub fn clear_leftovers(&self) -> Result<()> {
        atomic::remove(&self.uploads())?;
        fs::create_dir_all(self.uploads()).map_err(|error| io_failed("make a folder", error))?;
        outgoing::clear(self);
        for entry in walkdir::WalkDir::new(&self.root).max_depth(3).into_iter().flatten() {
            if is_partial(entry.path()) {
                atomic::remove(entry.path())?;
            }
        }
        Ok(())
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub fn store(&self) -> PathBuf {
        self.root.join("store.db")
    }

    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub fn exports(&self) -> PathBuf {
        self.root.join("exports")
    }

    /// Notes of what is on its way out of here.
    pub fn outgoing(&self) -> PathBuf {
        self.root.join("outgoing")
    }

    pub fn model(&self, id: &ModelId) -> PathBuf {
        self.models().join(id.id())
    }

    /// The file of weights.
    pub fn weights(&self, name: &VersionName, format: ModelFormat) -> PathBuf {
        self.model(&name.model).join(format!("{}.{}", name.number, extension(format)))
    }

    pub fn dataset(&self, id: &DatasetId) -> PathBuf {
        self.datasets().join(id.id())
    }

    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    pub fn datasets(&self) -> PathBuf {
        self.root.join("datasets")
    }

    pub fn banks(&self) -> PathBuf {
        self.root.join("banks")
    }

    pub fn jobs(&self) -> PathBuf {
        self.root.join("jobs")
    }

    /// Vectors, manifest and example images of a concept bank.
    pub fn concept_bank(&self, id: &ConceptBankId) -> PathBuf {
        self.banks().join(id.id())
    }

    /// Checkpoints and what else a job keeps between attempts.
    pub fn job(&self, id: &JobId) -> PathBuf {
        self.jobs().join(id.id())
    }
}

pub fn extension(format: ModelFormat) -> &'static str {
    match format {
        ModelFormat::TorchScript => "pt",
        ModelFormat::Safetensors => "safetensors",
        ModelFormat::HuggingFace => "hf",
        ModelFormat::Peft => "peft",
    }
}

/// Whether it has the name of an unfinished file or folder.
pub(super) fn is_partial(path: &Path) -> bool {
    let partial = |name: &str| name.starts_with('.') && name.ends_with(".partial");
    path.file_name().and_then(|name| name.to_str()).is_some_and(partial)
}

/// What is directly in `folder`.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
