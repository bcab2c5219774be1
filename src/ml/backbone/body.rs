//! The seam between the model and its two kinds: built-in architectures and TorchScript.

use std::fmt::Debug;

use tch::{Kind, Tensor};

use super::BnMode;
use super::gradient::Gradients;
use crate::domain::Result;
use crate::domain::finetune::Scope;

/// Weights that run. `below` and `above` cut the forward pass where a scope begins: `above(s, below(s, x))` is the whole.
pub(super) trait Body: Debug + Send {
    /// Sorted by name, sharing the model's memory.
    fn parameters(&self) -> Vec<(String, Tensor)>;
    /// Sorted by name, sharing the model's memory.
    fn buffers(&self) -> Vec<(String, Tensor)>;
    /// Whether a parameter moves when this scope is trained; fails for scopes that this model cannot train.
    fn in_scope(&self, scope: Scope, parameter: &str) -> Result<bool>;
    /// What the scope takes as input: the images for `All`, features for `Head`.
    fn below(&self, scope: Scope, images: &Tensor, bn: BnMode) -> Result<Tensor>;
    /// From what `below` gave to logits.
    fn above(&self, scope: Scope, input: &Tensor, bn: BnMode) -> Result<Tensor>;
    /// Whether the features below the head can be had.
    fn has_embed(&self) -> bool;
    /// What is computed, apart from the weights: part of the key of cached features.
    fn code_identity(&self) -> String;
    fn deep_copy(&self) -> Result<Box<dyn Body>>;
    /// The bytes of a TorchScript file.
    fn to_torchscript(&self) -> Result<Vec<u8>>;
    /// A copy made for speed.
    fn frozen(&self, kind: Kind) -> Result<Box<dyn Frozen>>;
    /// A copy made for gradients by the input.
    fn differentiable(&self, kind: Kind) -> Result<Box<dyn Gradients>>;
}

/// A copy for inference only: evaluation mode, no gradients for the weights. Results are f32.
pub(super) trait Frozen: Debug + Send {
    fn embed(&self, images: &Tensor) -> Result<Tensor>;
    fn head(&self, features: &Tensor) -> Result<Tensor>;
    fn forward(&self, images: &Tensor) -> Result<Tensor>;
}
