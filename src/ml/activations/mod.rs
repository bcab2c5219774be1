//! Activations below the head, computed once and kept: what makes head-scope unlearning and evaluation take seconds.
//!
//! ```text
//! ImageSource ─► BatchReader (decodes ahead on its own thread) ─► FeaturePass ─► Features [N,D] ─► head training, prediction
//!                                                                    │   ▲
//!                                                                    ▼   │
//!                                                              ActivationCache (files, bounded)
//! ```
//!
//! Features depend on (weights below the head, layer, images, preprocessing, precision): that is the key of the cache.

mod cache;
mod embed;
mod features;
mod head_gradients;
mod key;
mod pass;
mod predict;
mod reader;
mod writer;

pub use cache::ActivationCache;
pub use embed::{EmbedTask, Embeddings};
pub use features::Features;
pub use head_gradients::head_gradients;
pub use key::ActivationKey;
pub use pass::{BATCH, FeaturePass};
pub use predict::PredictTask;
pub(crate) use reader::{BatchReader, Prepare, as_decoded};
