//! Language models: Hugging Face files in, logits, tokens and gradients out.
//!
//! May depend on `domain`, `ml::torch`, `ml::random`, `ml::step` and the quadrature of `ml::attribution`.

mod linear;
pub mod lora;

pub use linear::Linear;
