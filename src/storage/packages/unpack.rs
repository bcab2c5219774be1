//! A package as a folder again, which transformers reads: the package is its file of weights, beside the texts it carries.

use std::fs;
use std::path::Path;

use super::folder::{WHOLE, is_text, read_header};
use crate::domain::Result;
use crate::storage::atomic::{self, FileDigest, io_failed};

/// Writes `folder`, which does not exist yet, and says what its file of weights is. An error leaves a part of it.
pub fn unpack(package: &Path, folder: &Path) -> Result<FileDigest> {
    fs::create_dir(folder).map_err(|error| io_failed("make a folder", error))?;
    let (_, header) = read_header(package, WHOLE)?;
    for (name, text) in header.metadata().iter().flatten().filter(|(name, _)| is_text(name)) {
        atomic::write(&folder.join(name), text.as_bytes())?;
    }
    atomic::copy(package, &folder.join(WHOLE))
}
