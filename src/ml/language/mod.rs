//! Language models: Hugging Face files in, logits, tokens and gradients out.
//!
//! ```text
//! config.json ─► LanguageConfig ─┐
//! *.safetensors ─► Weights ──────┴─► LanguageModel ─► forward · hidden · head ─► losses, attribution
//!                                                 └─► Generation: a token a step
//! ```
//! An architecture is data: what `config` reads of it and where `layout` says its tensors are. One block serves all.
//! May depend on `domain`, `ml::torch`, `ml::random`, `ml::step` and the quadrature of `ml::attribution`.

mod activation;
mod attention;
pub mod attribution;
mod block;
mod cache;
mod config;
mod explanation;
mod generate;
#[cfg(test)]
mod golden;
mod head;
mod layout;
mod linear;
pub mod lora;
pub mod loss;
mod model;
mod network;
mod norm;
pub(crate) mod outside;
mod package;
mod parts;
mod pass;
mod question;
mod resident;
mod rotation;
mod sampling;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod trainer;
mod weights;
mod writer;

pub use config::{LanguageConfig, LanguageTask};
pub use explanation::TextAttributionTask;
pub use generate::{Generation, GenerationBatch, GenerationOptions};
pub use linear::Linear;
pub use model::LanguageModel;
pub use pass::Pass;
pub use question::{TextItem, TextQuestion};
pub use resident::Language;
pub use sampling::Sampling;
pub use weights::Weights;
pub use writer::Writer;
