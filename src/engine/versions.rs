//! Versions: look at, promote, export, delete.

use std::path::{Path, PathBuf};

use super::core::Core;
use super::failure::blocking;
use super::handle::Engine;
use super::sources::ModelUse;
use super::views::{Exported, ModelView, VersionView};
use super::{Page, PageRequest};
use crate::domain::ids::{ModelId, ModelRef, VersionName};
use crate::domain::model::{ModelFormat, VersionRecord};
use crate::domain::{Error, Result};
use crate::ml::language::lora::AdapterFiles;
use crate::storage::atomic;
use crate::storage::layout::extension;
use crate::storage::packages::unpack;
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

    /// Writes the weights to `uri` (inside a configured root), or without one below the data directory. No format: the model's own.
    pub async fn export_version(
        &self,
        name: &ModelRef,
        format: Option<ModelFormat>,
        uri: Option<String>,
        overwrite: bool,
    ) -> Result<Exported> {
        let core = &self.core;
        core.check_ready()?;
        let model = core.find_model(name).await?;
        let usual = if model.version.adapter.is_some() { ModelFormat::Peft } else { model.spec().format };
        let format = format.unwrap_or(usual);
        check_format(&model, format)?;
        let target = core.export_target(&model, format, uri.as_deref(), overwrite).await?;
        match format {
            ModelFormat::HuggingFace => return core.export_folder(&model, target, uri).await,
            ModelFormat::Peft => return core.export_adapter(&model, target, uri).await,
            ModelFormat::TorchScript | ModelFormat::Safetensors => {}
        }
        let temporary = atomic::temporary_beside(&target);
        if format == model.spec().format {
            let (source, copy) = (model.source.path.clone(), temporary.clone());
            let copied = blocking(move || atomic::copy(&source, &copy)).await?;
            check_whole(&copied.sha256, &model.version)?;
        } else {
            model.device.export(model.source.clone(), format, temporary.clone()).await?;
        }
        let uri = uri.unwrap_or_else(|| format!("file://{}", target.display()));
        let digest = blocking(move || {
            let digest = atomic::digest(&temporary)?;
            atomic::publish(&temporary, &target)?;
            Ok(digest)
        })
        .await?;
        Ok(Exported { uri, sha256: digest.sha256, size_bytes: digest.size_bytes })
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

    /// A language model as the folder that it was loaded from, its weights in one file; an adapter is merged into them.
    async fn export_folder(&self, model: &ModelUse, target: PathBuf, uri: Option<String>) -> Result<Exported> {
        let merged = model.version.adapter.as_ref().map(|_| atomic::temporary_beside(&target));
        if let Some(package) = &merged {
            model.device.export(model.source.clone(), ModelFormat::HuggingFace, package.clone()).await?;
        }
        let package = merged.clone().unwrap_or_else(|| model.source.path.clone());
        let exported = written(target, uri, move |target| {
            let digest = unpack(&package, target);
            if let Some(merged) = &merged {
                atomic::remove(merged)?;
            }
            digest
        })
        .await?;
        if model.version.adapter.is_none() {
            check_whole(&exported.sha256, &model.version)?;
        }
        Ok(exported)
    }

    /// A version that is an adapter, as the folder that peft opens.
    async fn export_adapter(&self, model: &ModelUse, target: PathBuf, uri: Option<String>) -> Result<Exported> {
        let source = model.source.path.clone();
        written(target, uri, move |target| {
            let files = AdapterFiles::unpack(&source)?;
            let temporary = atomic::temporary_beside(target);
            files.write(&temporary)?;
            atomic::publish(&temporary, target)?;
            atomic::digest(&target.join("adapter_model.safetensors"))
        })
        .await
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

    async fn export_target(
        &self,
        model: &ModelUse,
        format: ModelFormat,
        uri: Option<&str>,
        overwrite: bool,
    ) -> Result<PathBuf> {
        let Some(uri) = uri else {
            let VersionName { model, number } = model.name();
            return Ok(self.layout.exports().join(format!("{}-{number}.{}", model.id(), extension(format))));
        };
        let (roots, uri) = (self.roots.clone(), uri.to_owned());
        blocking(move || {
            let target = roots.resolve_for_writing(&uri, "uri")?;
            match format {
                ModelFormat::HuggingFace | ModelFormat::Peft => check_absent(&target, &uri)?,
                ModelFormat::Safetensors | ModelFormat::TorchScript => check_target(&target, &uri, overwrite)?,
            }
            Ok(target)
        })
        .await
    }
}

/// A folder that `write` makes; one of the daemon's own is replaced.
async fn written(
    target: PathBuf,
    uri: Option<String>,
    write: impl FnOnce(&Path) -> Result<atomic::FileDigest> + Send + 'static,
) -> Result<Exported> {
    let is_own = uri.is_none();
    let uri = uri.unwrap_or_else(|| format!("file://{}", target.display()));
    let digest = blocking(move || {
        if is_own {
            atomic::remove(&target)?;
        }
        write(&target)
    })
    .await?;
    Ok(Exported { uri, sha256: digest.sha256, size_bytes: digest.size_bytes })
}

/// Language models are written as folders, adapters in either way, and images' models as files.
fn check_format(model: &ModelUse, format: ModelFormat) -> Result<()> {
    let is_text = model.spec().format == ModelFormat::HuggingFace;
    let description = match (is_text, format) {
        (true, ModelFormat::HuggingFace) | (false, ModelFormat::TorchScript | ModelFormat::Safetensors) => {
            return Ok(());
        }
        (true, ModelFormat::Peft) if model.version.adapter.is_some() => return Ok(()),
        (true, ModelFormat::Peft) => "this version is a whole model and no adapter; leave the format out",
        (true, ModelFormat::TorchScript | ModelFormat::Safetensors) => {
            "a language model is written as a folder of Hugging Face; leave the format out"
        }
        (false, ModelFormat::HuggingFace | ModelFormat::Peft) => {
            "a model of images is written as TORCHSCRIPT or SAFETENSORS"
        }
    };
    Err(Error::invalid("FORMAT_NOT_FOR_MODEL", "format", description))
}

pub(super) fn check_target(target: &Path, uri: &str, overwrite: bool) -> Result<()> {
    if target.is_dir() {
        return Err(Error::invalid("INVALID_URI", "uri", format!("`{uri}` is a folder; name the file to write")));
    }
    if target.exists() && !overwrite {
        return Err(exists(uri, "choose another name or set `overwrite`"));
    }
    Ok(())
}

/// A folder is never replaced: nobody knows what else is in it.
fn check_absent(target: &Path, uri: &str) -> Result<()> {
    if target.exists() { Err(exists(uri, "a folder is not overwritten; choose another name")) } else { Ok(()) }
}

fn exists(uri: &str, remedy: &str) -> Error {
    let message = format!("uri: `{uri}` exists already; {remedy}");
    Error::new(crate::domain::ErrorKind::AlreadyExists, "FILE_EXISTS", message).with_resource("file", uri)
}

fn check_whole(sha256: &str, version: &VersionRecord) -> Result<()> {
    if sha256 == version.sha256 {
        return Ok(());
    }
    let message = format!("the stored weights of `{}` are damaged", version.name);
    Err(Error::new(crate::domain::ErrorKind::DataLoss, "WEIGHTS_CORRUPT", message))
}
