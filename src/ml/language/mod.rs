//! Language models: Hugging Face files in, logits, tokens and gradients out.
//!
//! ```text
//! config.json ─► LanguageConfig ─┐
//! *.safetensors ─► Weights ──────┴─► LanguageModel ─► forward · hidden · head ─► losses, attribution
//!                                                 ├─► Generation: a token a step
//!                                                 └─► scoring: what it says of the examples of a dataset
//! ```
//! An architecture is data: what `config` reads of it and where `layout` says its tensors are. One block serves all.
//! May depend on `domain`, `ml::torch`, `ml::random`, `ml::step` and the quadrature of `ml::attribution`.

mod activation;
mod adapted;
mod attention;
pub mod attribution;
mod block;
mod cache;
mod config;
mod effort;
mod explanation;
mod generate;
mod goal;
#[cfg(test)]
mod golden;
mod head;
mod layout;
mod linear;
pub mod lora;
pub mod loss;
mod model;
mod needs;
mod network;
mod norm;
pub(crate) mod outside;
mod package;
mod package_file;
mod parts;
mod pass;
mod question;
mod reader;
mod resident;
mod rotation;
mod sampling;
pub mod scoring;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod trainer;
mod weights;
mod words;
mod writer;

pub use config::{LanguageConfig, LanguageTask};
pub use explanation::TextAttributionTask;
pub use generate::{Generation, GenerationBatch, GenerationOptions};
pub use goal::{GoalQuestions, GoalTask};
pub use linear::Linear;
pub use model::LanguageModel;
pub use package_file::package_header;
pub use pass::Pass;
pub use question::{TextItem, TextQuestion};
pub use reader::Reader;
pub use resident::Language;
pub use sampling::Sampling;
pub use weights::Weights;
pub use words::{ScoredWord, SharedText, WordShareInputs, WordShareTask, WordShares};
pub use writer::Writer;
