//! Pure nouns: std and serde only. Everything may depend on this module; it depends on nothing.

pub mod access;
pub mod attribution;
pub mod concept;
pub mod dataset;
pub mod disk;
pub mod error;
pub mod evaluation;
pub mod finetune;
pub mod generation;
pub mod ids;
pub mod job;
pub mod membership;
pub mod model;
pub mod poison;
pub mod submission;
pub mod text;
pub mod text_attribution;
pub mod text_training;

pub use error::{Error, ErrorKind, FieldViolation, Result};
