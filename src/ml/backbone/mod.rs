//! The models: resident weights that can be run, trained, copied, saved. A model is a built-in architecture, which is data
//! (`layer`, `architectures`) from which everything else is derived, or a TorchScript file (`script`).
//!
//! ```text
//! layer ─► declaration ─► initialise │ weights (safetensors)     archive ─► script (TorchScript)
//!   │             └─► module (bound tensors) ─► folded (inference)              │
//!   └─► export (TorchScript)    └──────► native ─────► body ◄───────────────────┘
//!                                                       └─► model: Backbone ─► Inference
//! ```
//! May depend on `domain`, `ml::torch`, `ml::random` and the shim.

mod architectures;
mod archive;
mod batch_norm;
mod body;
mod bounded;
mod declaration;
mod export;
mod file;
mod folded;
mod gradient;
mod initialise;
mod layer;
mod model;
mod module;
mod native;
pub(crate) mod outside;
mod script;
mod spec;
#[cfg(test)]
mod testing;
mod weights;

pub use architectures::architectures;
pub use gradient::{Differentiable, Explained};
pub use model::{Backbone, Inference};
pub use spec::validate_spec;

/// What BatchNorm does in a forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BnMode {
    /// Uses the running statistics; they stay.
    Eval,
    /// Uses the statistics of the batch; the running ones move by a tenth.
    Train,
    /// Uses the statistics of the batch; the running ones become the plain mean over all batches since
    /// `Backbone::reset_running_stats` (PyTorch's `momentum=None`).
    Cumulative,
}
