//! Which versions are in device memory: brought back, loaded again at start, freed.

use std::sync::Arc;

use super::PageRequest;
use super::core::Core;
use super::views::ModelView;
use crate::domain::Result;
use crate::domain::ids::{ModelId, VersionName};
use crate::storage::store::StoredModel;

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

impl Core {
    /// Loads the served version of a registered model, on another device if one is named.
    pub(super) async fn bring_back(&self, id: &ModelId, device: &str) -> Result<ModelView> {
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
        device.load(self.source(&model.record.spec, &version).await?).await.map(drop)
    }

    /// Unloads every resident version of the model from wherever it is.
    pub(super) async fn free(&self, id: &ModelId) -> Result<u64> {
        let mut freed = 0;
        for device in self.devices.list() {
            // Newest first: adapters before the version whose weights they run on.
            for (version, _) in device.models.into_iter().rev().filter(|(version, _)| version.model == *id) {
                freed += self.devices.get(&device.name)?.unload(version).await?.freed_bytes;
            }
        }
        Ok(freed)
    }
}
