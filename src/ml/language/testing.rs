//! What the tests of language models share.

use std::path::{Path, PathBuf};

use super::weights::Weights;

/// The weights in a folder, in one file or several.
pub(super) fn weights(folder: &Path) -> Weights {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_part = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("model") && name.ends_with(".safetensors")
    };
    let mut files: Vec<PathBuf> = entries.filter(is_part).collect();
    files.sort();
    Weights::map(&files).unwrap()
}
