//! Writing a bank: everything into a temporary folder, then one rename.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};

use super::{example_path, vectors_path};
use crate::domain::concept::{ConceptBankRecord, ConceptVectors};
use crate::domain::{Error, Result};
use crate::storage::atomic::{self, FileDigest, io_failed};

/// What goes into a bank's folder.
#[derive(Debug)]
pub struct BankFile<'a> {
    pub record: &'a ConceptBankRecord,
    pub vectors: &'a ConceptVectors,
    /// PNG images of each concept, best first.
    pub examples: &'a [Vec<Vec<u8>>],
}

/// Writes the folder, whole or not at all. The record in `bank.json` has no digest of the vectors, which is the answer.
pub fn write(folder: &Path, bank: &BankFile<'_>) -> Result<FileDigest> {
    let temporary = atomic::temporary_beside(folder);
    let written = fill(&temporary, bank).and_then(|digest| {
        // Nothing in the store knows this folder: an attempt that did not end left it.
        atomic::remove(folder)?;
        fs::rename(&temporary, folder)
            .and_then(|()| atomic::sync_parent(folder))
            .map_err(|error| io_failed("publish a concept bank", error))?;
        Ok(digest)
    });
    if written.is_err() {
        let _ = atomic::remove(&temporary);
    }
    written
}

fn fill(folder: &Path, bank: &BankFile<'_>) -> Result<FileDigest> {
    fs::create_dir_all(folder.join("examples")).map_err(|error| io_failed("make a folder", error))?;
    let manifest = serde_json::to_vec_pretty(bank.record)
        .map_err(|error| Error::internal("failed to describe a concept bank").with_source(error))?;
    atomic::write(&folder.join("bank.json"), &manifest)?;
    for (concept, images) in bank.examples.iter().enumerate() {
        for (rank, image) in images.iter().take(super::MAX_EXAMPLES).enumerate() {
            atomic::write(&example_path(folder, concept, rank), image)?;
        }
    }
    atomic::write(&vectors_path(folder), &serialise(bank)?)?;
    atomic::digest(&vectors_path(folder))
}

fn serialise(bank: &BankFile<'_>) -> Result<Vec<u8>> {
    let vectors = bank.vectors;
    let dim = vectors.dim.max(1);
    let mut tensors = vec![
        ("W".to_owned(), vec![vectors.len(), vectors.dim], bytes(&vectors.weights)),
        ("b".to_owned(), vec![vectors.len()], bytes(&vectors.biases)),
    ];
    for (index, examples) in vectors.examples.iter().enumerate() {
        for (side, rows) in [("positives", &examples.positives), ("negatives", &examples.negatives)] {
            tensors.push((format!("{side}.{index}"), vec![rows.len() / dim, vectors.dim], bytes(rows)));
        }
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        TensorView::new(Dtype::F32, shape.clone(), bytes).map(|view| (name.as_str(), view)).map_err(unwritable)
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = bank.record.concepts.iter().map(|concept| concept.name.as_str()).collect();
    let names = serde_json::to_string(&names).map_err(unwritable)?;
    safetensors::serialize(views, Some(HashMap::from([("names".to_owned(), names)]))).map_err(unwritable)
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("failed to write a concept bank").with_source(error)
}
