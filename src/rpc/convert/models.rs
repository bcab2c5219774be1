//! models.proto: models and versions. Preprocessing has a file of its own.

use super::common::{each, request_id, short_text, timestamp};
use super::fields::{known, parsed, required_text, within};
use crate::domain::evaluation::Provenance;
use crate::domain::ids::{ModelRef, VersionName};
use crate::domain::model::{
    AdapterRecord, Lineage, ModelFormat, ModelRecord, ModelSpec, Preprocessing, TextSpec, TextTask, VersionRecord,
};
use crate::domain::{Error, Result};
use crate::engine::{
    CreateModel, Exported, ImportVersion, LoadModel, ModelState, ModelView, NewModelSpec, VersionView,
};
use crate::pb::v1 as pb;

const MAX_CLASSES: u32 = 1_000_000;

impl TryFrom<pb::LoadModelRequest> for LoadModel {
    type Error = Error;

    fn try_from(value: pb::LoadModelRequest) -> Result<Self> {
        let pb::LoadModelRequest {
            model_id,
            uri,
            format: format_number,
            architecture,
            class_count,
            class_names,
            preprocessing: wire_preprocessing,
            device,
            request_id: id,
        } = value;
        let spec = NewModelSpec {
            format: format(format_number)?,
            architecture: short_text(architecture, "architecture")?,
            class_count: within(class_count, 0..=MAX_CLASSES, "class_count")?,
            class_names: checked_class_names(class_names, class_count)?,
            preprocessing: preprocessing(wire_preprocessing)?,
        };
        Ok(Self {
            id: parsed(&model_id, "model_id")?,
            spec: (!uri.is_empty()).then_some(spec),
            uri: (!uri.is_empty()).then_some(uri),
            device: short_text(device, "device")?,
            request_id: request_id(id)?,
        })
    }
}

impl TryFrom<pb::CreateModelRequest> for CreateModel {
    type Error = Error;

    fn try_from(value: pb::CreateModelRequest) -> Result<Self> {
        let pb::CreateModelRequest {
            model_id,
            architecture,
            class_count,
            class_names,
            preprocessing: wire_preprocessing,
            seed,
            device,
            request_id: id,
        } = value;
        let spec = NewModelSpec {
            format: Some(ModelFormat::Safetensors),
            architecture: required_text(short_text(architecture, "architecture")?, "architecture")?,
            class_count: within(class_count, 2..=MAX_CLASSES, "class_count")?,
            class_names: checked_class_names(class_names, class_count)?,
            preprocessing: preprocessing(wire_preprocessing)?,
        };
        Ok(Self {
            id: parsed(&model_id, "model_id")?,
            spec,
            seed,
            device: short_text(device, "device")?,
            request_id: request_id(id)?,
        })
    }
}

/// None, or one for each class, no two alike.
fn checked_class_names(names: Vec<String>, class_count: u32) -> Result<Vec<String>> {
    if !names.is_empty() && class_count != 0 && names.len() != class_count as usize {
        let problem = format!("has {} names; give one for each of {class_count} classes, or none", names.len());
        return Err(Error::invalid("CLASS_NAMES_MISMATCH", "class_names", problem));
    }
    distinct_names(names)
}

/// Non-empty lines of text, no two alike.
pub(super) fn distinct_names(names: Vec<String>) -> Result<Vec<String>> {
    let mut seen = std::collections::HashSet::new();
    for (index, name) in names.iter().enumerate() {
        if !seen.insert(name.as_str()) {
            let field = format!("class_names[{index}]");
            return Err(Error::invalid("DUPLICATE_CLASS_NAME", field, format!("`{name}` is there twice")));
        }
    }
    drop(seen);
    each(names, "class_names", |name| required_text(short_text(name, "")?, ""))
}

fn preprocessing(value: Option<pb::Preprocessing>) -> Result<Option<Preprocessing>> {
    value.map(Preprocessing::try_from).transpose().map_err(|error| error.under("preprocessing"))
}

/// `None`: by the file's name.
fn format(number: i32) -> Result<Option<ModelFormat>> {
    Ok(match known(number, "format")? {
        pb::ModelFormat::Unspecified => None,
        pb::ModelFormat::Torchscript => Some(ModelFormat::TorchScript),
        pb::ModelFormat::Safetensors => Some(ModelFormat::Safetensors),
        pb::ModelFormat::HuggingFace => Some(ModelFormat::HuggingFace),
        pb::ModelFormat::Peft => Some(ModelFormat::Peft),
    })
}

impl From<ModelFormat> for pb::ModelFormat {
    fn from(value: ModelFormat) -> Self {
        match value {
            ModelFormat::TorchScript => Self::Torchscript,
            ModelFormat::Safetensors => Self::Safetensors,
            ModelFormat::HuggingFace => Self::HuggingFace,
            ModelFormat::Peft => Self::Peft,
        }
    }
}

impl From<TextSpec> for pb::TextModel {
    fn from(value: TextSpec) -> Self {
        let TextSpec { task, vocabulary_size, context, hidden_size, layers, has_chat_template } = value;
        let task = match task {
            TextTask::Generate => pb::text_model::Task::Generate,
            TextTask::Classify => pb::text_model::Task::Classify,
        };
        Self { task: task.into(), vocabulary_size, context, hidden_size, layers, has_chat_template }
    }
}

/// A version that is to be exported, and how.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::rpc) struct Export {
    pub(in crate::rpc) name: ModelRef,
    pub(in crate::rpc) format: Option<ModelFormat>,
    pub(in crate::rpc) uri: Option<String>,
    pub(in crate::rpc) overwrite: bool,
}

impl TryFrom<pb::ExportModelVersionRequest> for Export {
    type Error = Error;

    fn try_from(value: pb::ExportModelVersionRequest) -> Result<Self> {
        let pb::ExportModelVersionRequest { name, format: format_number, uri, overwrite } = value;
        Ok(Self {
            name: parsed(&name, "name")?,
            format: format(format_number)?,
            uri: (!uri.is_empty()).then_some(uri),
            overwrite,
        })
    }
}

impl TryFrom<pb::ImportModelVersionRequest> for ImportVersion {
    type Error = Error;

    fn try_from(value: pb::ImportModelVersionRequest) -> Result<Self> {
        let pb::ImportModelVersionRequest { model, uri, promote, request_id: id } = value;
        Ok(Self {
            model: parsed(&model, "model")?,
            uri: required_text(uri, "uri")?,
            promote,
            request_id: request_id(id)?,
        })
    }
}

impl From<Exported> for pb::ExportModelVersionResponse {
    fn from(value: Exported) -> Self {
        let Exported { uri, sha256, size_bytes } = value;
        Self { uri, sha256, size_bytes }
    }
}

impl From<ModelView> for pb::Model {
    fn from(value: ModelView) -> Self {
        let ModelView { record, served: _, version_count, state, resident_bytes, training_job: _, etag } = value;
        let ModelRecord { id, spec, device, served, create_time } = record;
        let ModelSpec { format, architecture, class_count, class_names, preprocessing, text } = spec;
        let state = match state {
            ModelState::Loaded => pb::model::State::Loaded,
            ModelState::Unloaded => pb::model::State::Unloaded,
        };
        Self {
            name: id.to_string(),
            state: state.into(),
            format: pb::ModelFormat::from(format).into(),
            architecture,
            class_count,
            class_names,
            preprocessing: text.is_none().then(|| preprocessing.into()),
            device,
            served_version: VersionName { model: id, number: served }.to_string(),
            version_count,
            resident_bytes,
            create_time: timestamp(create_time),
            etag,
            text: text.map(Into::into),
        }
    }
}

impl From<VersionView> for pb::ModelVersion {
    fn from(value: VersionView) -> Self {
        let VersionView { record, served, resident, etag } = value;
        let VersionRecord { name, sha256, size_bytes, parameter_count, lineage, create_time, adapter, text_options } =
            record;
        let (base, lora) = adapter.map(|AdapterRecord { base, lora }| (base.to_string(), lora.into())).unzip();
        let Lineage { parent, job, origin, dataset_hashes, config_hash, seed, code_version } = lineage;
        let provenance = Provenance {
            model_hash: sha256.clone(),
            data_hashes: dataset_hashes.iter().map(|(_, hash)| hash.clone()).collect(),
            config_hash,
            seed,
            code_version,
        };
        Self {
            name: name.to_string(),
            parent: parent.map(|parent| parent.to_string()).unwrap_or_default(),
            job: job.map(|job| job.to_string()).unwrap_or_default(),
            origin,
            sha256,
            size_bytes,
            parameter_count,
            served,
            resident,
            create_time: timestamp(create_time),
            dataset_hashes: dataset_hashes.into_iter().collect(),
            provenance: Some(provenance.into()),
            etag,
            base: base.unwrap_or_default(),
            lora,
            text_options: text_options.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create() -> pb::CreateModelRequest {
        pb::CreateModelRequest {
            model_id: "m".into(),
            architecture: "resnet18".into(),
            class_count: 3,
            ..Default::default()
        }
    }

    fn violated(value: pb::CreateModelRequest) -> String {
        CreateModel::try_from(value).unwrap_err().violations[0].field.clone()
    }

    #[test]
    fn class_names_fit_the_classes_and_differ() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(violated(pb::CreateModelRequest { class_names: names(&["a"]), ..create() }), "class_names");
        let twice = names(&["a", "b", "a"]);
        assert_eq!(violated(pb::CreateModelRequest { class_names: twice, ..create() }), "class_names[2]");
        let empty = names(&["a", "", "c"]);
        assert_eq!(violated(pb::CreateModelRequest { class_names: empty, ..create() }), "class_names[1]");
        assert_eq!(violated(pb::CreateModelRequest { class_count: 1, ..create() }), "class_count");
    }

    #[test]
    fn hostile_ids_are_named() {
        assert_eq!(violated(pb::CreateModelRequest { model_id: "../x".into(), ..create() }), "model_id");
        assert_eq!(violated(pb::CreateModelRequest { model_id: String::new(), ..create() }), "model_id");
    }

    #[test]
    fn loading_without_a_uri_brings_a_stored_model_back() {
        let request = pb::LoadModelRequest { model_id: "m".into(), ..Default::default() };
        let LoadModel { uri, spec, .. } = request.try_into().unwrap();
        assert_eq!((uri, spec), (None, None));
    }

    #[test]
    fn preprocessing_errors_have_the_whole_path() {
        let wrong = Some(pb::Preprocessing { height: 8, width: 8, channels: 4, ..Default::default() });
        assert_eq!(violated(pb::CreateModelRequest { preprocessing: wrong, ..create() }), "preprocessing.channels");
    }
}
