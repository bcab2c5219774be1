//! Reading a bank that we wrote.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;

use super::{MAX_EXAMPLES, example_path, vectors_path};
use crate::domain::concept::{ConceptActivations, ConceptBankRecord, ConceptVectors};
use crate::domain::{Error, ErrorKind, Result};
use crate::storage::atomic;

/// The vectors of a registered bank.
///
/// # Errors
/// DATA_LOSS `CONCEPT_BANK_CORRUPT` where the file is missing or not the one that was registered.
pub fn read_vectors(folder: &Path, record: &ConceptBankRecord) -> Result<ConceptVectors> {
    let path = vectors_path(folder);
    let bytes = fs::read(&path).map_err(|error| corrupt(record).with_source(error))?;
    if atomic::digest(&path)?.sha256 != record.sha256 {
        return Err(corrupt(record));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|error| corrupt(record).with_source(error))?;
    let rows = |name: &str| file.tensor(name).map(|tensor| floats(tensor.data())).map_err(|_| corrupt(record));
    let example = |index: usize| -> Result<ConceptActivations> {
        let side = |side: &str| rows(&format!("{side}.{index}"));
        Ok(ConceptActivations { positives: side("positives")?, negatives: side("negatives")? })
    };
    let has_examples = file.tensor("positives.0").is_ok();
    let examples = if has_examples { (0..record.concepts.len()).map(example).collect::<Result<_>>()? } else { vec![] };
    Ok(ConceptVectors { dim: record.dim as usize, weights: rows("W")?, biases: rows("b")?, examples })
}

/// At most `count` PNG images of every concept, best first; fewer where fewer were kept.
pub fn read_examples(folder: &Path, concepts: usize, count: usize) -> Vec<Vec<Vec<u8>>> {
    let images = |concept| {
        (0..count.min(MAX_EXAMPLES)).map_while(move |rank| fs::read(example_path(folder, concept, rank)).ok())
    };
    (0..concepts).map(|concept| images(concept).collect()).collect()
}

pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    let value = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    bytes.chunks_exact(4).map(value).collect()
}

fn corrupt(record: &ConceptBankRecord) -> Error {
    let message = format!("the stored vectors of `{}` are damaged; delete the bank and learn it again", record.id);
    Error::new(ErrorKind::DataLoss, "CONCEPT_BANK_CORRUPT", message)
        .with_resource("concept bank", record.id.to_string())
}
