//! Weights of a language model: safetensors files mapped into memory, and what is checked of them.

mod check;
mod mapped;

pub(super) use check::checked;
pub(super) use mapped::header_texts;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tch::Tensor;

use crate::domain::{Error, Result};

/// Tensors by their names in the Hugging Face files.
#[derive(Debug, Default)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
    /// Tensors of types that no weight has (buffers of integers), by name.
    others: BTreeMap<String, String>,
}

impl Weights {
    /// Maps one or several files. The tensors are views of the files, copy on write: only what is read occupies memory, which the system
    /// may take back, and nothing can change the files through them. They must not be overwritten or shortened while mapped.
    pub fn map(files: &[PathBuf]) -> Result<Self> {
        let mut weights = Self::default();
        for file in files {
            let part = mapped::map(file)?;
            for (name, tensor) in part.tensors {
                if weights.tensors.insert(name.clone(), tensor).is_some() {
                    let description = format!("tensor `{name}` is in two of the files; use those of one export");
                    return Err(Error::invalid("MALFORMED_MODEL", "uri", description));
                }
            }
            weights.others.extend(part.others);
        }
        Ok(weights)
    }

    /// Tensors that are in memory already, such as a model with an adapter merged into it.
    pub fn from_tensors(tensors: BTreeMap<String, Tensor>) -> Self {
        Self { tensors, others: BTreeMap::new() }
    }

    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }
}
