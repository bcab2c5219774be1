//! Models: load, create, look at, unload, delete.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use super::core::{CODE_VERSION, Core};
use super::failure::blocking;
use super::handle::Engine;
use super::requests::{CreateModel, LoadModel};
use super::views::{ModelState, ModelView, Unloaded};
use super::{Page, PageRequest};
use crate::device::ModelSource;
use crate::device::work::CreateRequest;
use crate::domain::ids::{ModelId, ModelRef, VersionName};
use crate::domain::model::{Lineage, ModelRecord, ModelSpec, VersionRecord};
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::atomic::{self, FileDigest};
use crate::storage::store::{RequestKey, StoredModel};

impl Engine {
    /// Registers weights from a URI as version 1, or brings a registered model back onto its device.
    pub async fn load_model(&self, request: LoadModel) -> Result<ModelView> {
        let core = &self.core;
        core.check_ready()?;
        let Some(uri) = request.uri.clone() else { return core.bring_back(&request.id, &request.device).await };
        let _turn = core.locks.lock(&request.id.to_string()).await;
        let key = request_key("LoadModel", request.request_id.as_ref(), &request)?;
        if let Some(made) = core.made_before(key.as_ref()).await? {
            return Ok(made);
        }
        core.check_free(&request.id).await?;
        let spec = request.spec.ok_or_else(|| Error::invalid("MISSING_FIELD", "spec", "say what the weights are"))?;
        let spec = spec.for_file(&uri)?;
        let roots = core.roots.clone();
        let path = blocking(move || roots.resolve(&uri, "uri")).await?;
        let birth = Birth { id: request.id, device: request.device, origin: "LOADED", seed: 0 };
        core.register(birth, spec, Weights::File(path), key).await
    }

    /// A freshly initialised model of a built-in architecture, as version 1.
    pub async fn create_model(&self, request: CreateModel) -> Result<ModelView> {
        let core = &self.core;
        core.check_ready()?;
        let _turn = core.locks.lock(&request.id.to_string()).await;
        let key = request_key("CreateModel", request.request_id.as_ref(), &request)?;
        if let Some(made) = core.made_before(key.as_ref()).await? {
            return Ok(made);
        }
        core.check_free(&request.id).await?;
        let spec = request.spec.for_initialisation()?;
        let birth = Birth { id: request.id, device: request.device, origin: "CREATED", seed: request.seed };
        core.register(birth, spec, Weights::Random, key).await
    }

    pub async fn get_model(&self, id: &ModelId) -> Result<ModelView> {
        self.core.view(self.core.store.model(id).await?).await
    }

    /// In the order of their ids.
    pub async fn list_models(&self, page: &PageRequest) -> Result<Page<ModelView>> {
        let Page { items, next_token } = self.core.store.models_page(page).await?;
        let mut views = Vec::with_capacity(items.len());
        for model in items {
            views.push(self.core.view(model).await?);
        }
        Ok(Page { items: views, next_token })
    }

    /// Answers when the memory is back; the model stays registered.
    pub async fn unload_model(&self, id: &ModelId) -> Result<Unloaded> {
        let _turn = self.core.locks.lock(&id.to_string()).await;
        let model = self.core.store.model(id).await?;
        let freed_bytes = self.core.free(id).await?;
        self.core.store.set_placement(id, &model.record.device, false).await?;
        Ok(Unloaded { freed_bytes })
    }

    /// Removes the model with all its versions; refused while a job uses it. A non-empty `etag` must be the current one (ABORTED).
    pub async fn delete_model(&self, id: &ModelId, etag: &str) -> Result<()> {
        let core = &self.core;
        let _turn = core.locks.lock(&id.to_string()).await;
        let _gate = core.gate.lock().await;
        core.store.model(id).await?;
        core.check_unused(|used| used.model() == id, "model", &id.to_string()).await?;
        core.free(id).await?;
        core.store.delete_model(id, etag).await?;
        let folder = core.layout.model(id);
        blocking(move || atomic::remove(&folder)).await
    }
}

/// Loads what was loaded when the last daemon ended. A model that cannot be loaded stays registered.
pub(super) async fn load_wanted(core: &Arc<Core>) -> Result<()> {
    let mut request = PageRequest::default();
    loop {
        let page = core.store.models_page(&request).await?;
        for model in page.items.into_iter().filter(|model| model.loaded) {
            let id = model.record.id.clone();
            if let Err(error) = core.load_served(&model).await {
                tracing::warn!(model = %id, error = %error, "the model could not be loaded again");
            }
        }
        if page.next_token.is_empty() {
            return Ok(());
        }
        request.token = page.next_token;
    }
}

/// Where a new model comes from.
struct Birth {
    id: ModelId,
    /// Empty: the daemon's default.
    device: String,
    origin: &'static str,
    seed: u64,
}

enum Weights {
    File(PathBuf),
    Random,
}

impl Core {
    /// Puts the weights in place, lets the device check and load them, and only then makes the model known.
    async fn register(
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
            Weights::File(source) => self.copy_in(source, path.clone()).await?,
            Weights::Random => {
                let temporary = self.temporary_for(path.clone()).await?;
                let request = CreateRequest { spec: spec.clone(), seed: birth.seed, path: temporary.clone() };
                device.create(request).await?;
                self.move_in(temporary, path.clone()).await?
            }
        };
        let source = ModelSource { version: name.clone(), path, spec, sha256: file.sha256.clone() };
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
        };
        self.store.insert_model(&record, &version, key.as_ref()).await
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

    /// Loads the served version of a registered model, on another device if one is named.
    async fn bring_back(&self, id: &ModelId, device: &str) -> Result<ModelView> {
        let _turn = self.locks.lock(&id.to_string()).await;
        let mut model = self.store.model(id).await?;
        if !device.is_empty() && device != model.record.device {
            self.devices.get(device)?;
            self.check_unused(|used| used.model() == id, "model", &id.to_string()).await?;
            self.free(id).await?;
            model.record.device = device.to_owned();
        }
        self.load_served(&model).await?;
        let model = self.store.set_placement(id, &model.record.device, true).await?;
        self.view(model).await
    }

    async fn load_served(&self, model: &StoredModel) -> Result<()> {
        let name = VersionName { model: model.record.id.clone(), number: model.record.served };
        let version = self.store.version(&name).await?;
        let device = self.devices.get(&model.record.device)?;
        device.load(self.source(&model.record.spec, &version)).await.map(drop)
    }

    /// Unloads every resident version of the model from wherever it is.
    pub(super) async fn free(&self, id: &ModelId) -> Result<u64> {
        let mut freed = 0;
        for device in self.devices.list() {
            for (version, _) in device.models.into_iter().filter(|(version, _)| version.model == *id) {
                freed += self.devices.get(&device.name)?.unload(version).await?.freed_bytes;
            }
        }
        Ok(freed)
    }

    pub(super) async fn view(&self, model: StoredModel) -> Result<ModelView> {
        let etag = model.etag();
        let record = model.record;
        let served = VersionName { model: record.id.clone(), number: record.served };
        let devices = self.devices.list();
        let resident =
            devices.iter().flat_map(|device| &device.models).filter(|(version, _)| version.model == record.id);
        let is_loaded = resident.clone().any(|(version, _)| *version == served);
        let jobs = self.store.unfinished_jobs().await?;
        Ok(ModelView {
            served: self.store.version(&served).await?,
            version_count: self.store.version_count(&record.id).await?,
            state: if is_loaded { ModelState::Loaded } else { ModelState::Unloaded },
            resident_bytes: resident.map(|(_, bytes)| bytes).sum(),
            training_job: jobs.into_iter().find(|job| job.spec.trains() == Some(&record.id)).map(|job| job.id),
            record,
            etag,
        })
    }

    async fn made_before(&self, key: Option<&RequestKey>) -> Result<Option<ModelView>> {
        let Some(key) = key else { return Ok(None) };
        let Some(name) = self.store.find_request(key).await? else { return Ok(None) };
        self.view(self.store.model(&name.parse()?).await?).await.map(Some)
    }

    async fn check_free(&self, id: &ModelId) -> Result<()> {
        match self.store.model(id).await {
            Ok(_) => Err(Error::already_exists("model", id.to_string())),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Refuses to take away what an unfinished job uses.
    pub(super) async fn check_unused(&self, uses: impl Fn(&ModelRef) -> bool, kind: &str, name: &str) -> Result<()> {
        for job in self.store.unfinished_jobs().await? {
            if super::admission::models_of(&job.spec).into_iter().any(&uses) {
                let message = format!("{kind} `{name}` is used by `{}`; wait for it or cancel it first", job.id);
                let error = Error::failed_precondition("RESOURCE_IN_USE", message);
                return Err(error.with_resource("job", job.id.to_string()));
            }
        }
        Ok(())
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

fn make_parent(path: &std::path::Path) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    std::fs::create_dir_all(parent).map_err(|error| atomic::io_failed("make a folder", error))
}

pub(super) fn request_key(
    scope: &'static str,
    id: Option<&String>,
    request: &impl Serialize,
) -> Result<Option<RequestKey>> {
    id.map(|id| RequestKey::new(scope, id, request)).transpose()
}
