//! Model files from and to the disk. Messages never name the path.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::domain::{Error, Result};

/// The whole file, if it is not empty and not larger than `limit`.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => {
            Error::invalid("MODEL_FILE_NOT_FOUND", "uri", "there is no such file").with_source(error)
        }
        _ => Error::internal("failed to read the model file").with_source(error),
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::invalid("MALFORMED_MODEL", "uri", "this is not a file"));
    }
    if metadata.len() == 0 || metadata.len() > limit {
        let description = format!("the file has {} bytes; this model has 1 to {limit}", metadata.len());
        return Err(Error::invalid("MALFORMED_MODEL", "uri", description));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Writes and syncs; making it atomic is the caller's business.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = File::create(path).and_then(|mut file| {
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    });
    written.map_err(|error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::new(
            crate::domain::ErrorKind::ResourceExhausted,
            "DISK_FULL",
            "the disk is full; delete old versions",
        )
        .with_source(error),
        _ => Error::internal("failed to write the model file").with_source(error),
    })
}
