//! Versions written for others: a file or a folder, whole or not at all.

use std::path::{Path, PathBuf};

use super::core::Core;
use super::failure::blocking;
use super::handle::Engine;
use super::sources::ModelUse;
use super::views::Exported;
use crate::domain::ids::{ModelRef, VersionName};
use crate::domain::model::{ModelFormat, VersionRecord};
use crate::domain::{Error, ErrorKind, Result};
use crate::ml::language::lora::AdapterFiles;
use crate::storage::atomic::{self, FileDigest};
use crate::storage::layout::extension;
use crate::storage::outgoing::Outgoing;
use crate::storage::packages::unpack;

impl Engine {
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
        let asked = (uri.clone(), overwrite);
        let target = core.export_target(&model, format, asked.clone()).await?;
        // Of several exports to one place the first wins, and the others see it.
        let _turn = core.locks.lock(&target.display().to_string()).await;
        core.export_target(&model, format, asked).await?;
        let outgoing = core.outgoing(target.clone()).await?;
        let FileDigest { sha256, size_bytes } = core.fill(&model, format, outgoing.clone()).await?;
        let (is_own, place) = (uri.is_none(), target.clone());
        blocking(move || {
            if is_own {
                atomic::remove(&place)?;
            }
            outgoing.publish()
        })
        .await?;
        let uri = uri.unwrap_or_else(|| format!("file://{}", target.display()));
        Ok(Exported { uri, sha256, size_bytes })
    }
}

impl Core {
    async fn export_target(
        &self,
        model: &ModelUse,
        format: ModelFormat,
        (uri, overwrite): (Option<String>, bool),
    ) -> Result<PathBuf> {
        let Some(uri) = uri else {
            let VersionName { model, number } = model.name();
            return Ok(self.layout.exports().join(format!("{}-{number}.{}", model.id(), extension(format))));
        };
        let roots = self.roots.clone();
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

    async fn outgoing(&self, target: PathBuf) -> Result<Outgoing> {
        let layout = self.layout.clone();
        blocking(move || Outgoing::new(&layout, target)).await
    }

    /// Writes the version, and says what its file of weights is.
    async fn fill(&self, model: &ModelUse, format: ModelFormat, place: Outgoing) -> Result<FileDigest> {
        let source = model.source.path.clone();
        match (format, &model.version.adapter) {
            (ModelFormat::Peft, _) => blocking(move || write_adapter(&source, place.as_ref())).await,
            (ModelFormat::HuggingFace, Some(_)) => self.fill_merged(model, place).await,
            (ModelFormat::HuggingFace, None) => {
                let digest = blocking(move || unpack(&source, place.as_ref())).await?;
                check_whole(digest, &model.version)
            }
            (ModelFormat::TorchScript | ModelFormat::Safetensors, _) if format == model.spec().format => {
                let digest = blocking(move || atomic::fill(&source, place.as_ref())).await?;
                check_whole(digest, &model.version)
            }
            (ModelFormat::TorchScript | ModelFormat::Safetensors, _) => {
                model.device.export(model.source.clone(), format, place.clone()).await?;
                blocking(move || atomic::digest(place.as_ref())).await
            }
        }
    }

    /// A language model with its adapter merged, as the folder that it was loaded from with its weights in one file.
    async fn fill_merged(&self, model: &ModelUse, place: Outgoing) -> Result<FileDigest> {
        let package = self.outgoing(self.layout.exports().join("merged")).await?;
        let format = ModelFormat::HuggingFace;
        model.device.export(model.source.clone(), format, package.clone()).await?;
        blocking(move || unpack(package.as_ref(), place.as_ref())).await
    }
}

/// A version that is an adapter, as the folder that peft opens.
fn write_adapter(source: &Path, folder: &Path) -> Result<FileDigest> {
    AdapterFiles::unpack(source)?.write(folder)?;
    atomic::digest(&folder.join("adapter_model.safetensors"))
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
    Error::new(ErrorKind::AlreadyExists, "FILE_EXISTS", message).with_resource("file", uri)
}

fn check_whole(found: FileDigest, version: &VersionRecord) -> Result<FileDigest> {
    if found.sha256 == version.sha256 {
        return Ok(found);
    }
    let message = format!("the stored weights of `{}` are damaged", version.name);
    Err(Error::new(ErrorKind::DataLoss, "WEIGHTS_CORRUPT", message))
}
