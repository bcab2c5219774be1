//! Attribution: how much every input value counts for an output of the model. One published method a file.
//!
//! ```text
//! AttributionOptions ─► validate (admission)
//! items (image, target, stream) ─► AttributionTask ─► one chunk of rows a step ─► Differentiable ─► Attribution, item by item
//! ```
//! May depend on `domain`, `ml::backbone`, `ml::torch`, `ml::random` and `ml::step`.

mod artefact;
mod baselines;
mod completeness;
mod ends;
mod explanation;
mod gradient_shap;
mod infidelity;
mod input_x_gradient;
mod integrated_gradients;
mod item;
mod method;
mod noise;
mod occlusion;
mod output;
mod phase;
mod quadrature;
mod randomness;
mod rows;
mod saliency;
mod sensitivity;
mod single_gradient;
mod stage;
mod sweep;
mod task;
mod validate;

pub(crate) use completeness::Completeness;

pub use artefact::{ArtefactShape, ArtefactWriter};
pub use item::Item;
pub use quadrature::Quadrature;
pub use randomness::{Draw, Randomness};
pub use rows::chunk_rows;
pub use task::{AttributionTask, Finished};
pub use validate::{validate, validate_target};

use crate::domain::Error;

/// A method got other answers than it asked for.
fn unasked() -> Error {
    Error::internal("an attribution method was answered what it did not ask")
}
