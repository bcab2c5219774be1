//! Versions: look at, promote, delete.

use super::core::Core;
use super::failure::blocking;
use super::handle::Engine;
use super::views::{ModelView, VersionView};
use super::{Page, PageRequest};
use crate::domain::ids::{ModelId, ModelRef, VersionName};
use crate::domain::model::VersionRecord;
use crate::domain::{Error, Result};
use crate::storage::atomic;
use crate::storage::store::{StoredModel, check_etag};

impl Engine {
    pub async fn get_version(&self, name: &VersionName) -> Result<VersionView> {
        let model = self.core.store.model(&name.model).await?;
        Ok(self.core.version_view(&model, self.core.store.version(name).await?))
    }

    /// Oldest first.
    pub async fn list_versions(&self, model: &ModelId, page: &PageRequest) -> Result<Page<VersionView>> {
        let stored = self.core.store.model(model).await?;
        let versions = self.core.store.versions_page(model, page).await?;
        Ok(versions.map(|version| self.core.version_view(&stored, version)))
    }

    /// Refused for the served version and while a job uses it. A non-empty `etag` must be the current one (ABORTED).
    pub async fn delete_version(&self, name: &VersionName, etag: &str) -> Result<()> {
        let core = &self.core;
        let _turn = core.locks.lock(&name.model.to_string()).await;
        let _gate = core.gate.lock().await;
        let model = core.store.model(&name.model).await?;
        let view = core.version_view(&model, core.store.version(name).await?);
        check_etag(etag, &view.etag, "model version", &name.to_string())?;
        if view.served {
            let message = format!("`{name}` is being served; promote another version first");
            let error = Error::failed_precondition("VERSION_SERVED", message);
            return Err(error.with_resource("model version", name.to_string()));
        }
        let is_it = |used: &ModelRef| matches!(used, ModelRef::Version(version) if version == name);
        core.check_unused(is_it, "model version", &name.to_string()).await?;
        core.check_no_adapters(name).await?;
        core.devices.get(&model.record.device)?.unload(name.clone()).await?;
        core.store.delete_version(name).await?;
        let weights = core.layout.weights(name, model.record.spec.format);
        blocking(move || atomic::remove(&weights)).await
    }

    /// Serves the version at once. A non-empty `etag` must be the model's current one (ABORTED).
    pub async fn promote_version(&self, name: &VersionName, etag: &str) -> Result<ModelView> {
        self.core.check_ready()?;
        let model = self.core.promote(name, etag).await?;
        self.core.view(model).await
    }
}

impl Core {
    /// Loads the version, then serves it, then lets the one before go. Readers of the old one finish with it.
    pub(super) async fn promote(&self, name: &VersionName, etag: &str) -> Result<StoredModel> {
        let _turn = self.locks.lock(&name.model.to_string()).await;
        let before = self.store.model(&name.model).await?;
        check_etag(etag, &before.etag(), "model", &name.model.to_string())?;
        let version = self.store.version(name).await?;
        let device = self.devices.get(&before.record.device)?;
        if before.loaded {
            device.load(self.source(&before.record.spec, &version).await?).await?;
        }
        let model = self.store.set_served(name, etag).await?;
        if before.record.served != name.number {
            let old = VersionName { model: name.model.clone(), number: before.record.served };
            if let Err(error) = device.unload(old).await {
                tracing::debug!(error = %error, "the version served before is still in use");
            }
        }
        Ok(model)
    }

    /// Adapters run on the weights of their base.
    async fn check_no_adapters(&self, name: &VersionName) -> Result<()> {
        let mut page = PageRequest::default();
        loop {
            let found = self.store.versions_page(&name.model, &page).await?;
            let rests = |version: &&VersionRecord| version.adapter.as_ref().is_some_and(|own| own.base == *name);
            if let Some(version) = found.items.iter().find(rests) {
                let message =
                    format!("`{}` is an adapter beside the weights of `{name}`; delete it first", version.name);
                let error = Error::failed_precondition("RESOURCE_IN_USE", message);
                return Err(error.with_resource("model version", version.name.to_string()));
            }
            if found.next_token.is_empty() {
                return Ok(());
            }
            page.token = found.next_token;
        }
    }

    fn version_view(&self, model: &StoredModel, record: VersionRecord) -> VersionView {
        let served = model.record.served == record.name.number;
        let devices = self.devices.list();
        let resident = devices.iter().flat_map(|device| &device.models).any(|(version, _)| *version == record.name);
        let etag = format!("\"{}-{}\"", &record.sha256.get(..16).unwrap_or_default(), u8::from(served));
        VersionView { record, served, resident, etag }
    }
}
