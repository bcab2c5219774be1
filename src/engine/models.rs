//! Models: load, create, look at, unload, delete.

use serde::Serialize;

use super::core::Core;
use super::failure::blocking;
use super::handle::Engine;
use super::registration::{Birth, Weights};
use super::requests::{CreateModel, LoadModel};
use super::views::{ModelState, ModelView, Unloaded};
use super::{Page, PageRequest};
use crate::domain::ids::{ModelId, ModelRef, VersionName};
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::atomic;
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
        let (roots, asked) = (core.roots.clone(), uri.clone());
        let path = blocking(move || roots.resolve(&asked, "uri")).await?;
        let spec = spec.for_file(&uri, path.is_dir())?;
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

impl Core {
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

pub(super) fn request_key(
    scope: &'static str,
    id: Option<&String>,
    request: &impl Serialize,
) -> Result<Option<RequestKey>> {
    id.map(|id| RequestKey::new(scope, id, request)).transpose()
}
