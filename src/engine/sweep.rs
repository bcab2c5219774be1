//! Removes at start what a dead daemon left behind: files and folders that no row of the store knows.
//!
//! A file is in place before its row is written, and a row is gone before its file is removed; so between the two only files without a
//! row can be left, never rows without a file. What has a name that the daemon would not give is not its own and stays.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::core::Core;
use super::failure::blocking;
use crate::domain::ids::{ConceptBankId, DatasetId, ModelId, VersionName};
use crate::domain::{ErrorKind, Result};
use crate::storage::atomic;
use crate::storage::layout::entries;

pub(super) async fn sweep(core: &Arc<Core>) -> Result<()> {
    let mut orphans = ended_jobs(core).await?;
    for folder in entries(&core.layout.banks()) {
        if let Some(id) = named::<ConceptBankId>("conceptBanks", &folder) {
            orphans.extend(unknown(&core.store.concept_bank(&id).await).then_some(folder));
        }
    }
    for folder in entries(&core.layout.datasets()) {
        if let Some(id) = named::<DatasetId>("datasets", &folder) {
            orphans.extend(unknown(&core.store.dataset(&id).await).then_some(folder));
        }
    }
    for folder in entries(&core.layout.models()) {
        if let Some(model) = named::<ModelId>("models", &folder) {
            orphans.extend(weights(core, model, &folder).await);
        }
    }
    for orphan in orphans {
        tracing::info!(path = %orphan.display(), "left behind by an earlier daemon and removed");
        blocking(move || atomic::remove(&orphan)).await?;
    }
    Ok(())
}

/// Folders of jobs that will not go on.
async fn ended_jobs(core: &Core) -> Result<Vec<PathBuf>> {
    let unfinished = core.store.unfinished_jobs().await?;
    let kept: HashSet<PathBuf> = unfinished.iter().map(|job| core.layout.job(&job.id)).collect();
    Ok(entries(&core.layout.jobs()).into_iter().filter(|folder| !kept.contains(folder)).collect())
}

/// The whole folder of a model that is unknown, else the weights of versions that are.
async fn weights(core: &Core, model: ModelId, folder: &Path) -> Vec<PathBuf> {
    if unknown(&core.store.model(&model).await) {
        return vec![folder.to_owned()];
    }
    let mut orphans = Vec::new();
    for file in entries(folder) {
        let number = file.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        let Some(number) = number else { continue };
        let version = VersionName { model: model.clone(), number };
        orphans.extend(unknown(&core.store.version(&version).await).then_some(file));
    }
    orphans
}

/// The resource that a folder is of.
fn named<T: FromStr>(collection: &str, folder: &Path) -> Option<T> {
    format!("{collection}/{}", folder.file_name()?.to_str()?).parse().ok()
}

/// The store says so; a store that fails says nothing.
fn unknown<T>(found: &Result<T>) -> bool {
    found.as_ref().is_err_and(|error| error.kind == ErrorKind::NotFound)
}
