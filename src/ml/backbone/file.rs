//! Model files from and to the disk. Messages never name the path.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use crate::domain::disk::io_failed;
use crate::domain::{self, Error, Result};

/// The whole file, if it is not empty and not larger than `limit`.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        if error.kind() == ErrorKind::NotFound {
            return gone().with_source(error);
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

/// As if the URI had led nowhere from the start: the file was there a moment ago.
fn gone() -> Error {
    let description = "does not exist on the server any more";
    Error::new(domain::ErrorKind::NotFound, "URI_NOT_FOUND", format!("uri: {description}"))
        .with_violation("uri", description)
}

/// Writes and syncs; making it atomic is the caller's business.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| {
        // What could not be written takes no room.
        let _absent = std::fs::remove_file(path);
        io_failed("write a model file", error)
    })
}
