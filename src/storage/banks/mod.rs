//! Concept banks as files: `bank.safetensors` (vectors `W [C,D]`, biases `b [C]`, the activations behind each concept),
//! `bank.json` (the record, for people and other tools) and `examples/<concept>-<rank>.png`.
//!
//! There is no interchange standard for concept banks and most are pickles, which are code; those are never read here.

mod import;
mod read;
mod write;

pub use import::{ImportedBank, import};
pub use read::{read_examples, read_vectors};
pub use write::{BankFile, write};

use std::path::{Path, PathBuf};

/// Example images kept for each concept.
pub const MAX_EXAMPLES: usize = 8;

fn vectors_path(folder: &Path) -> PathBuf {
    folder.join("bank.safetensors")
}

fn example_path(folder: &Path, concept: usize, rank: usize) -> PathBuf {
    folder.join("examples").join(format!("{concept:03}-{rank}.png"))
}

#[cfg(test)]
mod tests;
