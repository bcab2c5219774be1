//! A package as a folder again, which transformers reads: the package is its file of weights, beside the texts it carries.

use std::fs;
use std::path::Path;

use super::folder::{WHOLE, is_text, read_header};
use crate::domain::Result;
use crate::storage::atomic::{self, FileDigest, io_failed};

/// Writes the folder `target`, which does not exist yet, whole or not at all, and says what its file of weights is.
pub fn unpack(package: &Path, target: &Path) -> Result<FileDigest> {
    let temporary = atomic::temporary_beside(target);
    let written = write(package, &temporary);
    let digest = written.inspect_err(|_| {
        let _ = fs::remove_dir_all(&temporary);
    })?;
    atomic::publish(&temporary, target)?;
    Ok(digest)
}

fn write(package: &Path, folder: &Path) -> Result<FileDigest> {
    fs::create_dir_all(folder).map_err(|error| io_failed("make a folder", error))?;
    let (_, header) = read_header(package, WHOLE)?;
    for (name, text) in header.metadata().iter().flatten().filter(|(name, _)| is_text(name)) {
        atomic::write(&folder.join(name), text.as_bytes())?;
    }
    atomic::copy(package, &folder.join(WHOLE))
}
