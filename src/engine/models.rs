//! Models: load, create, look at, unload, delete; and inference on images that came with the request.

use super::handle::{Engine, not_yet};
use super::requests::{CreateModel, InferImages, LoadModel};
use super::views::{Inferred, ModelView, Unloaded};
use super::{Page, PageRequest};
use crate::domain::Result;
use crate::domain::ids::ModelId;

impl Engine {
    /// Registers weights from a URI as version 1, or brings a registered model back onto its device.
    pub async fn load_model(&self, request: LoadModel) -> Result<ModelView> {
        let _ = request;
        Err(not_yet("LoadModel"))
    }

    /// A freshly initialised model of a built-in architecture, as version 1.
    pub async fn create_model(&self, request: CreateModel) -> Result<ModelView> {
        let _ = request;
        Err(not_yet("CreateModel"))
    }

    pub async fn get_model(&self, id: &ModelId) -> Result<ModelView> {
        let _ = id;
        Err(not_yet("GetModel"))
    }

    /// In the order of their ids.
    pub async fn list_models(&self, page: &PageRequest) -> Result<Page<ModelView>> {
        let _ = page;
        Err(not_yet("ListModels"))
    }

    /// Answers when the memory is back; the model stays registered.
    pub async fn unload_model(&self, id: &ModelId) -> Result<Unloaded> {
        let _ = id;
        Err(not_yet("UnloadModel"))
    }

    /// Removes the model with all its versions; refused while a job uses it. A non-empty `etag` must be the current one (ABORTED).
    pub async fn delete_model(&self, id: &ModelId, etag: &str) -> Result<()> {
        let _ = (id, etag);
        Err(not_yet("DeleteModel"))
    }

    /// Logits, in the interactive lane. A version that is not resident is loaded first.
    pub async fn infer(&self, request: InferImages) -> Result<Inferred> {
        let _ = request;
        Err(not_yet("inference"))
    }
}
