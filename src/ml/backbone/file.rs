//! Model files from and to the disk. Messages never name the path.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use crate::domain::{self, Error, Result};

/// The whole file, if it is not empty and not larger than `limit`.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound {
            return Error::invalid("MODEL_FILE_NOT_FOUND", "uri", "there is no such file").with_source(error);
        }
        Error::internal("failed to read the model file").with_source(error)
    };
    // Before opening: opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::invalid("MALFORMED_MODEL", "uri", "this is not a file"));
    }
    if metadata.len() == 0 || metadata.len() > limit {
        let description = format!("the file has {} bytes; this model has 1 to {limit}", metadata.len());
        return Err(Error::invalid("MALFORMED_MODEL", "uri", description));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    File::open(path).map_err(failed)?.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Writes and syncs; making it atomic is the caller's business.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| {
        if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
            let message = "the disk is full; delete old model versions";
            return Error::new(domain::ErrorKind::ResourceExhausted, "DISK_FULL", message).with_source(error);
        }
        Error::internal("failed to write the model file").with_source(error)
    })
}
