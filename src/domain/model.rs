//! Models and their immutable versions.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::ids::{JobId, ModelId, VersionName};

/// How the weights of a model are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ModelFormat {
    TorchScript,
    Safetensors,
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// What a model is, apart from its weights. All versions of a model share it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    pub format: ModelFormat,
    /// Name of a built-in architecture; empty for TorchScript.
    pub architecture: String,
    pub class_count: u32,
    /// In the order of the logits; empty when unknown, else `class_count` long.
    pub class_names: Vec<String>,
    pub preprocessing: Preprocessing,
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
}
