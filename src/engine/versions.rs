//! Versions: look at, promote, export, delete.

use super::handle::{Engine, not_yet};
use super::views::{Exported, ModelView, VersionView};
use super::{Page, PageRequest};
use crate::domain::Result;
use crate::domain::ids::{ModelId, ModelRef, VersionName};
use crate::domain::model::ModelFormat;

impl Engine {
    pub async fn get_version(&self, name: &VersionName) -> Result<VersionView> {
        let _ = name;
        Err(not_yet("GetModelVersion"))
    }

    /// Oldest first.
    pub async fn list_versions(&self, model: &ModelId, page: &PageRequest) -> Result<Page<VersionView>> {
        let _ = (model, page);
        Err(not_yet("ListModelVersions"))
    }

    /// Refused for the served version and while a job uses it. A non-empty `etag` must be the current one (ABORTED).
    pub async fn delete_version(&self, name: &VersionName, etag: &str) -> Result<()> {
        let _ = (name, etag);
        Err(not_yet("DeleteModelVersion"))
    }

    /// Serves the version at once. A non-empty `etag` must be the model's current one (ABORTED).
    pub async fn promote_version(&self, name: &VersionName, etag: &str) -> Result<ModelView> {
        let _ = (name, etag);
        Err(not_yet("PromoteModelVersion"))
    }

    /// Writes the weights to `uri` (inside a configured root), or without one below the data directory. No format: the model's own.
    pub async fn export_version(
        &self,
        name: &ModelRef,
        format: Option<ModelFormat>,
        uri: Option<String>,
        overwrite: bool,
    ) -> Result<Exported> {
        let _ = (name, format, uri, overwrite);
        Err(not_yet("ExportModelVersion"))
    }
}
