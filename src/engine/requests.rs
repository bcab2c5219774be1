//! What callers ask of the engine, in domain types. Field paths in errors are those of the gRPC messages.

use crate::domain::dataset::{DatasetFormat, ImageBatch};
use crate::domain::ids::{DatasetId, ModelId, ModelRef};
use crate::domain::model::{ModelFormat, Preprocessing};

/// A model specification in which the format may be left to the file's name.
#[derive(Debug, Clone, PartialEq)]
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
#[derive(Debug, Clone)]
pub struct LoadModel {
    pub id: ModelId,
    pub uri: Option<String>,
    /// Required with a URI, ignored without.
    pub spec: Option<NewModelSpec>,
    /// Empty: the first CUDA device, else the CPU; for a registered model: where it was.
    pub device: String,
    pub request_id: Option<String>,
}

/// A fresh random model of a built-in architecture.
#[derive(Debug, Clone)]
pub struct CreateModel {
    pub id: ModelId,
    pub spec: NewModelSpec,
    pub seed: u64,
    pub device: String,
    pub request_id: Option<String>,
}

#[derive(Debug, Clone)]
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
    pub request_id: Option<String>,
}

/// Like [`RegisterDataset`], for one file whose bytes follow.
#[derive(Debug, Clone)]
pub struct BeginUpload {
    pub id: DatasetId,
    pub format: DatasetFormat,
    pub split: String,
    pub image_column: String,
    pub label_column: String,
    pub class_names: Vec<String>,
    pub request_id: Option<String>,
}

/// Logits for images that came with the request.
#[derive(Debug, Clone)]
pub struct InferImages {
    pub model: ModelRef,
    pub images: ImageBatch,
}
