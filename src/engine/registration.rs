//! A new model: weights into place, checked and loaded by the device, and only then known.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::core::{CODE_VERSION, Core};
use super::failure::blocking;
use super::views::ModelView;
use crate::device::ModelSource;
use crate::device::work::CreateRequest;
use crate::domain::Result;
use crate::domain::ids::{ModelId, VersionName};
use crate::domain::model::{Lineage, ModelFormat, ModelRecord, ModelSpec, VersionRecord};
use crate::storage::atomic::{self, FileDigest};
use crate::storage::packages::Folder;
use crate::storage::store::{RequestKey, StoredModel};

/// Where a new model comes from.
pub(super) struct Birth {
    pub(super) id: ModelId,
    /// Empty: the daemon's default.
    pub(super) device: String,
    pub(super) origin: &'static str,
    pub(super) seed: u64,
}

pub(super) enum Weights {
    File(PathBuf),
    Random,
}

impl Core {
    /// Puts the weights in place, lets the device check and load them, and only then makes the model known.
    pub(super) async fn register(
        &self,
        birth: Birth,
        spec: ModelSpec,
        weights: Weights,
        key: Option<RequestKey>,
    ) -> Result<ModelView> {
        let id = birth.id.clone();
        match self.try_register(birth, spec, weights, key).await {
            Ok(model) => self.view(model).await,
            Err(error) => {
                let folder = self.layout.model(&id);
                let _ = self.free(&id).await;
                let _ = blocking(move || atomic::remove(&folder)).await;
                Err(error)
            }
        }
    }

    async fn try_register(
        &self,
        birth: Birth,
        spec: ModelSpec,
        weights: Weights,
        key: Option<RequestKey>,
    ) -> Result<StoredModel> {
        let device_name = if birth.device.is_empty() { self.devices.default_name().to_owned() } else { birth.device };
        let device = self.devices.get(&device_name)?;
        let name = VersionName { model: birth.id.clone(), number: 1 };
        let path = self.layout.weights(&name, spec.format);
        let file = match weights {
            Weights::File(source) if spec.format == ModelFormat::HuggingFace => self.pack(source, path.clone()).await?,
            Weights::File(source) => self.copy_in(source, path.clone()).await?,
            Weights::Random => {
                let temporary = self.temporary_for(path.clone()).await?;
                let request = CreateRequest { spec: spec.clone(), seed: birth.seed, path: temporary.clone() };
                device.create(request).await?;
                self.move_in(temporary, path.clone()).await?
            }
        };
        let source = ModelSource { version: name.clone(), path, spec, sha256: file.sha256.clone(), base: None };
        let loaded = device.load(source).await?;
        let create_time = SystemTime::now();
        let record = ModelRecord { id: birth.id, spec: loaded.spec, device: device_name, served: 1, create_time };
        let version = VersionRecord {
            name,
            sha256: file.sha256,
            size_bytes: file.size_bytes,
            parameter_count: loaded.parameter_count,
            lineage: first_lineage(birth.origin, birth.seed),
            create_time,
            adapter: None,
            text_options: None,
        };
        self.store.insert_model(&record, &version, key.as_ref()).await
    }

    /// A language model's folder as one file.
    async fn pack(&self, folder: PathBuf, target: PathBuf) -> Result<FileDigest> {
        blocking(move || {
            let folder = Folder::read(&folder)?;
            make_parent(&target)?;
            folder.pack(&target)
        })
        .await
    }

    async fn copy_in(&self, source: PathBuf, target: PathBuf) -> Result<FileDigest> {
        blocking(move || {
            make_parent(&target)?;
            atomic::copy(&source, &target)
        })
        .await
    }

    async fn temporary_for(&self, target: PathBuf) -> Result<PathBuf> {
        blocking(move || {
            make_parent(&target)?;
            Ok(atomic::temporary_beside(&target))
        })
        .await
    }

    async fn move_in(&self, temporary: PathBuf, target: PathBuf) -> Result<FileDigest> {
        blocking(move || {
            let digest = atomic::digest(&temporary)?;
            atomic::publish(&temporary, &target)?;
            Ok(digest)
        })
        .await
    }
}

fn first_lineage(origin: &str, seed: u64) -> Lineage {
    Lineage {
        parent: None,
        job: None,
        origin: origin.to_owned(),
        dataset_hashes: Vec::new(),
        config_hash: String::new(),
        seed,
        code_version: CODE_VERSION.to_owned(),
    }
}

fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent).map_err(|error| atomic::io_failed("make a folder", error))
}
