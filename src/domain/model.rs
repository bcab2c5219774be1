//! Models and their immutable versions.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::ids::{JobId, ModelId, VersionName};
use super::text::TextOptions;
use super::text_training::LoraSpec;
use super::{Error, Result};

/// How the weights of a model are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ModelFormat {
    TorchScript,
    Safetensors,
    /// A language model: a folder in the layout of Hugging Face, stored as one file.
    HuggingFace,
    /// An adapter of a language model as a folder of peft: how versions come and go, never how a model is stored.
    Peft,
}

/// Order of the axes in a batch that the model's `forward` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Layout {
    #[default]
    Nchw,
    Nhwc,
}

/// What to do with an image whose size is not the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Resize {
    /// Refuse it.
    #[default]
    None,
    /// Bilinear with antialiasing, as `torchvision.transforms.Resize` on a PIL image.
    Bilinear,
}

/// From stored pixels to what the model was trained on: pixels in [0, 1], then `(x - mean) / std` per channel.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Preprocessing {
    pub height: u32,
    pub width: u32,
    pub channels: u32,
    /// One per channel, or empty for 0.
    pub mean: Vec<f32>,
    /// One per channel, or empty for 1.
    pub std: Vec<f32>,
    pub layout: Layout,
    pub resize: Resize,
}

/// What a language model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextTask {
    /// Predicts the next token.
    Generate,
    /// Tells the class of a text.
    Classify,
}

/// What is known of a language model from its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSpec {
    pub task: TextTask,
    pub vocabulary_size: u32,
    /// Tokens that it takes at most.
    pub context: u32,
    pub hidden_size: u32,
    pub layers: u32,
    /// Whether it comes with a template for conversations.
    pub has_chat_template: bool,
}

/// What a model is, apart from its weights. All versions of a model share it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    pub format: ModelFormat,
    /// Name of a built-in architecture, of a language model the `model_type` of its configuration; empty for TorchScript.
    pub architecture: String,
    /// 0 for a language model that generates.
    pub class_count: u32,
    /// In the order of the logits; empty when unknown, else `class_count` long.
    pub class_names: Vec<String>,
    /// Of a language model empty: it takes no images.
    pub preprocessing: Preprocessing,
    /// What a language model is; absent for a model of images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextSpec>,
}

impl ModelSpec {
    /// # Errors
    /// `MODEL_TAKES_TEXT` for a language model.
    pub fn check_takes_images(&self) -> Result<()> {
        match self.text {
            None => Ok(()),
            Some(_) => Err(Error::failed_precondition(
                "MODEL_TAKES_TEXT",
                "this is a language model; name a model that takes images, or use the calls for texts",
            )),
        }
    }

    /// # Errors
    /// `MODEL_TAKES_IMAGES` for a model of images.
    pub fn check_takes_text(&self) -> Result<&TextSpec> {
        let refused = || {
            let message = "this model takes images; name a language model, or use the calls for images";
            Error::failed_precondition("MODEL_TAKES_IMAGES", message)
        };
        self.text.as_ref().ok_or_else(refused)
    }
}

/// Where a version came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    pub parent: Option<VersionName>,
    pub job: Option<JobId>,
    /// How it was made: `LOADED`, `CREATED`, or the training method (`POISON`, `TRAIN`, ...).
    pub origin: String,
    /// SHA-256 of the datasets it was trained on, by resource name.
    pub dataset_hashes: Vec<(String, String)>,
    /// SHA-256 of the canonical JSON of the job specification; empty for loaded models.
    pub config_hash: String,
    pub seed: u64,
    pub code_version: String,
}

/// A model as the registry knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRecord {
    pub id: ModelId,
    pub spec: ModelSpec,
    /// `cpu`, `cuda:0`, ...
    pub device: String,
    /// Number of the version being served.
    pub served: u32,
    pub create_time: SystemTime,
}

/// What a version is that was trained as an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterRecord {
    /// The version whose weights it runs on.
    pub base: VersionName,
    pub lora: LoraSpec,
}

/// One immutable version: a file of weights and how it came to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRecord {
    pub name: VersionName,
    /// SHA-256 of the stored weights file, lower-case hexadecimal.
    pub sha256: String,
    pub size_bytes: u64,
    pub parameter_count: u64,
    pub lineage: Lineage,
    pub create_time: SystemTime,
    /// Of a language model: its file is an adapter beside another version's weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterRecord>,
    /// How texts were put to it when it was trained, and are put to it where nobody says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_options: Option<TextOptions>,
}
