//! The models: resident weights that can be run, trained, copied, saved.

use std::path::Path;

use tch::{Device, Tensor};

use crate::domain::Result;
use crate::domain::finetune::{Precision, Scope};
use crate::domain::model::{ModelFormat, ModelSpec};

/// What BatchNorm does in a forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BnMode {
    /// Uses the running statistics; they stay.
    Eval,
    /// Uses the statistics of the batch; the running ones move by a tenth.
    Train,
    /// Uses the statistics of the batch; the running ones become the plain mean over all batches since
    /// `reset_running_stats` (PyTorch's `momentum=None`).
    Cumulative,
}

#[derive(Debug)]
pub struct Backbone;

#[allow(unused_variables)]
impl Backbone {
    /// Reads weights; `spec.class_count` 0 is filled in from the file.
    pub fn load(path: &Path, spec: &ModelSpec, device: Device) -> Result<Self> {
        todo!()
    }
    /// A named architecture with PyTorch's default initialisation.
    pub fn initialise(spec: &ModelSpec, seed: u64, device: Device) -> Result<Self> {
        todo!()
    }
    pub fn deep_copy(&self) -> Result<Self> {
        todo!()
    }
    pub fn spec(&self) -> &ModelSpec {
        todo!()
    }
    pub fn device(&self) -> Device {
        todo!()
    }
    pub fn class_count(&self) -> usize {
        todo!()
    }
    pub fn parameter_count(&self) -> u64 {
        todo!()
    }
    pub fn byte_size(&self) -> u64 {
        todo!()
    }
    pub fn named_parameters(&self) -> Vec<(String, Tensor)> {
        todo!()
    }
    pub fn named_buffers(&self) -> Vec<(String, Tensor)> {
        todo!()
    }
    /// The parameters of the scope, sorted by name; they and no others get gradients from now on.
    pub fn trainable(&self, scope: Scope) -> Result<Vec<(String, Tensor)>> {
        todo!()
    }
    /// Images `[N,C,H,W]` to logits `[N,K]`.
    pub fn forward(&self, images: &Tensor, bn: BnMode) -> Result<Tensor> {
        todo!()
    }
    /// As `forward`, with no gradients recorded below the scope.
    pub fn forward_scoped(&self, scope: Scope, images: &Tensor, bn: BnMode) -> Result<Tensor> {
        todo!()
    }
    /// Images to features `[N,D]`.
    pub fn embed(&self, images: &Tensor, bn: BnMode) -> Result<Tensor> {
        todo!()
    }
    /// Features `[N,D]` to logits `[N,K]`.
    pub fn head(&self, features: &Tensor) -> Result<Tensor> {
        todo!()
    }
    /// D; fails where `has_embed` is false.
    pub fn feature_dim(&self) -> Result<usize> {
        todo!()
    }
    pub fn has_embed(&self) -> bool {
        todo!()
    }
    /// SHA-256 of everything below the head, in hexadecimal.
    pub fn prefix_hash(&self) -> Result<String> {
        todo!()
    }
    /// Parameters and buffers, sorted by name, sharing the model's memory.
    pub fn state_dict(&self) -> Result<Vec<(String, Tensor)>> {
        todo!()
    }
    /// Copies values in; names and shapes must be exactly those of `state_dict`.
    pub fn load_state(&self, state: &[(String, Tensor)]) -> Result<()> {
        todo!()
    }
    pub fn has_batch_norm(&self) -> bool {
        todo!()
    }
    /// Running means 0, variances 1, counts 0: where `BnMode::Cumulative` starts.
    pub fn reset_running_stats(&self) -> Result<()> {
        todo!()
    }
    pub fn save(&self, path: &Path, format: ModelFormat) -> Result<()> {
        todo!()
    }
    /// A copy for inference: BatchNorm folded, channels_last, optionally bf16, no gradients.
    pub fn inference(&self, precision: Precision) -> Result<Inference> {
        todo!()
    }
}

/// A frozen copy made for speed. All results are f32.
#[derive(Debug)]
pub struct Inference;

#[allow(unused_variables)]
impl Inference {
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        todo!()
    }
    pub fn embed(&self, images: &Tensor) -> Result<Tensor> {
        todo!()
    }
    pub fn head(&self, features: &Tensor) -> Result<Tensor> {
        todo!()
    }
}

/// Names of the built-in architectures.
pub fn architectures() -> Vec<&'static str> {
    todo!()
}

/// Checks a model specification before anything is read.
pub fn validate_spec(_spec: &ModelSpec) -> Result<()> {
    todo!()
}
