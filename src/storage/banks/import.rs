//! Vectors made elsewhere, from a safetensors file. The file is hostile: size, names, shapes and values are checked.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::read::floats;
use crate::domain::concept::ConceptVectors;
use crate::domain::{Error, Result};

/// Room for 100,000 vectors of 2,048 values.
const MAX_FILE_BYTES: u64 = 1 << 30;
const MAX_CONCEPTS: usize = 100_000;
const MAX_NAME_BYTES: usize = 255;
const SHORTEST_NORM: f64 = 1e-12;

/// A bank as the file gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedBank {
    pub names: Vec<String>,
    pub vectors: ConceptVectors,
}

/// Reads `W` f32 `[C,D]`, optionally `b` f32 `[C]`, and the names from the metadata unless `names` gives them.
///
/// # Errors
/// INVALID_ARGUMENT about `uri` or `names`: `MALFORMED_BANK`, `BANK_TOO_LARGE`, `NON_FINITE_VECTORS`, `ZERO_VECTOR`,
/// `CONCEPT_NAMES_MISMATCH`, `DUPLICATE_CONCEPT_NAME`.
pub fn import(path: &Path, names: Vec<String>) -> Result<ImportedBank> {
    let size = fs::metadata(path).map_err(|error| unreadable().with_source(error))?.len();
    if size > MAX_FILE_BYTES {
        let description = format!("the file has {size} bytes; at most {MAX_FILE_BYTES} are read");
        return Err(Error::invalid("BANK_TOO_LARGE", "uri", description));
    }
    let bytes = fs::read(path).map_err(|error| unreadable().with_source(error))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| {
        malformed("it is not a complete safetensors file; write one with safetensors.torch.save_file")
            .with_source(error)
    })?;
    let vectors = vectors(&file)?;
    let names = if names.is_empty() { stated_names(&bytes)? } else { names };
    check_names(&names, vectors.len())?;
    check_values(&vectors, &names)?;
    Ok(ImportedBank { names, vectors })
}

fn vectors(file: &SafeTensors<'_>) -> Result<ConceptVectors> {
    let weights = file.tensor("W").map_err(|_| malformed("it has no tensor `W` with one vector a concept"))?;
    let &[count, dim] = weights.shape() else {
        return Err(malformed(&format!("`W` has the shape {:?}; [concepts, embedding] is needed", weights.shape())));
    };
    if count == 0 || count > MAX_CONCEPTS || dim == 0 {
        return Err(malformed(&format!(
            "`W` has {count} vectors of {dim} values; 1 to {MAX_CONCEPTS} concepts are taken"
        )));
    }
    let biases = match file.tensor("b") {
        Ok(biases) if biases.shape() == [count] => single_precision(&biases, "b")?,
        Ok(biases) => {
            return Err(malformed(&format!(
                "`b` has the shape {:?}; one bias a concept, [{count}], is needed",
                biases.shape()
            )));
        }
        Err(_) => vec![0.0; count],
    };
    Ok(ConceptVectors { dim, weights: single_precision(&weights, "W")?, biases, examples: Vec::new() })
}

fn single_precision(tensor: &TensorView<'_>, name: &str) -> Result<Vec<f32>> {
    if tensor.dtype() == Dtype::F32 {
        return Ok(floats(tensor.data()));
    }
    Err(malformed(&format!("`{name}` is {:?}; write it as f32", tensor.dtype())))
}

/// The metadata's `names`, a JSON array.
fn stated_names(bytes: &[u8]) -> Result<Vec<String>> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| unreadable().with_source(error))?;
    let names = metadata.metadata().as_ref().and_then(|metadata| metadata.get("names"));
    let names = names.and_then(|names| serde_json::from_str(names).ok());
    names.ok_or_else(|| {
        let description = "the file names no concepts (metadata `names`, a JSON array of texts); give them here";
        Error::invalid("CONCEPT_NAMES_MISMATCH", "names", description)
    })
}

fn check_names(names: &[String], count: usize) -> Result<()> {
    if names.len() != count {
        let description = format!("{} names are given for {count} vectors", names.len());
        return Err(Error::invalid("CONCEPT_NAMES_MISMATCH", "names", description));
    }
    let mut seen = HashSet::new();
    for (index, name) in names.iter().enumerate() {
        let field = format!("names[{index}]");
        if name.trim().is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            let description = format!("must be one line of 1 to {MAX_NAME_BYTES} bytes");
            return Err(Error::invalid("INVALID_TEXT", field, description));
        }
        if !seen.insert(name) {
            let description = format!("`{name}` names two concepts; names must differ");
            return Err(Error::invalid("DUPLICATE_CONCEPT_NAME", field, description));
        }
    }
    Ok(())
}

fn check_values(vectors: &ConceptVectors, names: &[String]) -> Result<()> {
    for (index, name) in names.iter().enumerate() {
        let vector = vectors.vector(index);
        if !vector.iter().chain([&vectors.biases[index]]).all(|value| value.is_finite()) {
            let description = format!("the vector of `{name}` has infinite or NaN values");
            return Err(Error::invalid("NON_FINITE_VECTORS", "uri", description));
        }
        let norm = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        if norm < SHORTEST_NORM {
            let description = format!("the vector of `{name}` is zero; it points nowhere");
            return Err(Error::invalid("ZERO_VECTOR", "uri", description));
        }
    }
    Ok(())
}

fn malformed(description: &str) -> Error {
    Error::invalid("MALFORMED_BANK", "uri", description)
}

fn unreadable() -> Error {
    malformed("the file cannot be read")
}
