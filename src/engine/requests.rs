//! What callers ask of the engine, in domain types. Field paths in errors are those of the gRPC messages.

use serde::Serialize;

use super::preprocessing;
use crate::domain::attribution::AttributionOptions;
use crate::domain::dataset::{DataSource, DatasetFormat, ImageBatch};
use crate::domain::generation::{GenerationOptions, TextInput};
use crate::domain::ids::{ConceptBankId, DatasetId, ModelId, ModelRef};
use crate::domain::model::{ModelFormat, ModelSpec, Preprocessing};
use crate::domain::text::TextColumns;
use crate::domain::text_attribution::TextAttributionOptions;
use crate::domain::{Error, Result};
use crate::ml::backbone;

/// A model specification in which the format may be left to the file's name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NewModelSpec {
    /// `None`: by the extension of the URI (`.pt`, `.pth`, `.safetensors`).
    pub format: Option<ModelFormat>,
    /// Name of a built-in architecture; empty for TorchScript.
    pub architecture: String,
    /// 0: read from the weights (not for a fresh model).
    pub class_count: u32,
    pub class_names: Vec<String>,
    /// `None`: the architecture's usual one; TorchScript has none.
    pub preprocessing: Option<Preprocessing>,
}

/// Loads weights from `uri`, or, without one, brings a registered model back onto its device.
#[derive(Debug, Clone, Serialize)]
pub struct LoadModel {
    pub id: ModelId,
    pub uri: Option<String>,
    /// Required with a URI, ignored without.
    pub spec: Option<NewModelSpec>,
    /// Empty: the first CUDA device, else the CPU; for a registered model: where it was.
    pub device: String,
    #[serde(skip)]
    pub request_id: Option<String>,
}

/// An adapter from a folder of peft as a version of a language model.
#[derive(Debug, Clone, Serialize)]
pub struct ImportVersion {
    pub model: ModelId,
    pub uri: String,
    /// Serve it at once.
    pub promote: bool,
    #[serde(skip)]
    pub request_id: Option<String>,
}

/// A fresh random model of a built-in architecture.
#[derive(Debug, Clone, Serialize)]
pub struct CreateModel {
    pub id: ModelId,
    pub spec: NewModelSpec,
    pub seed: u64,
    pub device: String,
    #[serde(skip)]
    pub request_id: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct RegisterDataset {
    pub id: DatasetId,
    pub uri: String,
    /// `None`: by the look of the file or folder.
    pub format: Option<DatasetFormat>,
    /// Name for the only split of a source that names none itself; empty: `train`.
    pub split: String,
    /// Empty: the usual names (`image`, `img`, ...).
    pub image_column: String,
    /// Empty: the usual names (`label`, `fine_label`, ...).
    pub label_column: String,
    /// Empty: as the files say, else decimal numbers.
    pub class_names: Vec<String>,
    /// The files hold texts, in these columns.
    pub text: Option<TextColumns>,
    #[serde(skip)]
    pub request_id: Option<String>,
}

/// Like [`RegisterDataset`], for one file whose bytes follow.
#[derive(Debug, Clone, Serialize)]
pub struct BeginUpload {
    pub id: DatasetId,
    pub format: DatasetFormat,
    pub split: String,
    pub image_column: String,
    pub label_column: String,
    pub class_names: Vec<String>,
    pub text: Option<TextColumns>,
    #[serde(skip)]
    pub request_id: Option<String>,
}

/// Concept vectors from a file.
#[derive(Debug, Clone, Serialize)]
pub struct ImportConceptBank {
    pub id: ConceptBankId,
    pub model: ModelRef,
    pub uri: String,
    /// Empty: as the file says.
    pub names: Vec<String>,
    pub normalize_input: bool,
    pub licence: String,
    #[serde(skip)]
    pub request_id: Option<String>,
}

/// Attributions of images that came with the request, or of samples it names.
#[derive(Debug, Clone)]
pub struct AttributeImages {
    pub model: ModelRef,
    pub inputs: Vec<AttributeInput>,
    pub options: AttributionOptions,
}

#[derive(Debug, Clone)]
pub struct AttributeInput {
    pub image: InputImage,
    /// Name or index of the class to explain; empty: the predicted one.
    pub target_class: String,
}

#[derive(Debug, Clone)]
pub enum InputImage {
    /// PNG or JPEG.
    Encoded(Vec<u8>),
    /// In [0, 1], of the model's shape, channels innermost.
    Pixels(Vec<f32>),
    Sample {
        source: DataSource,
        index: u64,
    },
}

/// What a language model is to write on.
#[derive(Debug, Clone)]
pub struct GenerateText {
    pub model: ModelRef,
    pub input: TextInput,
    pub options: GenerationOptions,
}

/// What answers, or classes of texts, rest on.
#[derive(Debug, Clone)]
pub struct AttributeTexts {
    pub model: ModelRef,
    pub inputs: Vec<AttributeTextInput>,
    pub options: TextAttributionOptions,
}

#[derive(Debug, Clone)]
pub struct AttributeTextInput {
    pub input: TextInput,
    /// Of a model that generates.
    pub answer: String,
    /// Of a classifier: name or index; empty: the predicted one.
    pub target_class: String,
}

/// Logits for images that came with the request.
#[derive(Debug, Clone)]
pub struct InferImages {
    pub model: ModelRef,
    pub images: ImageBatch,
}

impl NewModelSpec {
    /// The specification of weights in the file or folder that `uri` names.
    pub(super) fn for_file(self, uri: &str, is_folder: bool) -> Result<ModelSpec> {
        let by_name = || if is_folder { Some(ModelFormat::HuggingFace) } else { by_extension(uri) };
        let format = self.format.or_else(by_name).ok_or_else(|| {
            let description =
                "not known from the file's name; say TORCHSCRIPT or SAFETENSORS, or name a folder of Hugging Face";
            Error::invalid("UNKNOWN_FORMAT", "format", description)
        })?;
        match format {
            ModelFormat::Peft => {
                let description = "an adapter is a version of a model that is loaded; use ImportModelVersion";
                Err(Error::invalid("ADAPTER_IS_NO_MODEL", "format", description))
            }
            ModelFormat::HuggingFace if is_folder => self.for_folder(),
            ModelFormat::HuggingFace => {
                let description =
                    "a language model is a folder with config.json, tokenizer.json and safetensors; name the folder";
                Err(Error::invalid("NOT_A_FOLDER", "uri", description))
            }
            ModelFormat::Safetensors | ModelFormat::TorchScript if is_folder => {
                let description =
                    "this format is one file; name the file, or leave the format out for a folder of Hugging Face";
                Err(Error::invalid("NOT_A_FILE", "uri", description))
            }
            ModelFormat::Safetensors if self.architecture.is_empty() => {
                let known = backbone::architectures().join(", ");
                let description = format!("weights without code need an architecture: {known}");
                Err(Error::invalid("ARCHITECTURE_REQUIRED", "architecture", description))
            }
            ModelFormat::Safetensors | ModelFormat::TorchScript => self.with_format(format),
        }
    }

    /// A language model's files tell everything themselves; loading them fills in what they say.
    fn for_folder(self) -> Result<ModelSpec> {
        let Self { format: _, architecture, class_count, class_names, preprocessing } = self;
        let stated = [
            ("architecture", !architecture.is_empty()),
            ("class_count", class_count != 0),
            ("class_names", !class_names.is_empty()),
            ("preprocessing", preprocessing.is_some()),
        ];
        if let Some((field, _)) = stated.into_iter().find(|(_, is_stated)| *is_stated) {
            let description = "a language model's own files tell this; leave it out";
            return Err(Error::invalid("NOT_FOR_LANGUAGE_MODELS", field, description));
        }
        Ok(ModelSpec {
            format: ModelFormat::HuggingFace,
            architecture,
            class_count: 0,
            class_names: Vec::new(),
            preprocessing: Preprocessing::default(),
            text: None,
        })
    }

    /// The specification of a fresh model, which is stored as safetensors unless it says otherwise.
    pub(super) fn for_initialisation(self) -> Result<ModelSpec> {
        if self.class_count == 0 {
            return Err(Error::invalid("MISSING_FIELD", "class_count", "say how many classes the model has"));
        }
        let format = self.format.unwrap_or(ModelFormat::Safetensors);
        self.with_format(format)
    }

    fn with_format(self, format: ModelFormat) -> Result<ModelSpec> {
        let Self { format: _, architecture, class_count, class_names, preprocessing } = self;
        let preprocessing = match preprocessing {
            Some(preprocessing) => preprocessing,
            None => usual_preprocessing(&architecture)?,
        };
        let spec = ModelSpec { format, architecture, class_count, class_names, preprocessing, text: None };
        backbone::validate_spec(&spec)?;
        Ok(spec)
    }
}

fn usual_preprocessing(architecture: &str) -> Result<Preprocessing> {
    preprocessing::usual(architecture).ok_or_else(|| {
        let description = "TorchScript does not tell its input; give at least height, width and channels";
        Error::invalid("MISSING_FIELD", "preprocessing", description)
    })
}

fn by_extension(uri: &str) -> Option<ModelFormat> {
    let (_, extension) = uri.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "pt" | "pth" | "ts" | "torchscript" => Some(ModelFormat::TorchScript),
        "safetensors" => Some(ModelFormat::Safetensors),
        _ => None,
    }
}
