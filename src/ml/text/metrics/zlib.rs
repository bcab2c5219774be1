//! The zlib score (Carlini et al. 2021): a text that a model finds likely although it compresses badly was seen before.
//!
//! The length is that of zlib itself at level 6, as Python's `zlib.compress` gives; other implementations find other matches.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::probability::loss_score;
use crate::domain::{Error, Result};

const LEVEL: u32 = 6;

/// Bytes of the compressed text, header and checksum included.
pub fn compressed_length(text: &str) -> Result<usize> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
    let compressed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    let compressed = compressed.map_err(|error| Error::internal("failed to compress a text").with_source(error))?;
    Ok(compressed.len())
}

/// Mean log-probability over compressed length; `None` without tokens.
pub fn zlib_score(log_probabilities: &[f64], text: &str) -> Result<Option<f64>> {
    let length = compressed_length(text)? as f64;
    Ok(loss_score(log_probabilities).map(|score| score / length))
}
