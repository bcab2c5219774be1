//! A folder that images and pages are written to.

use std::path::{Path, PathBuf};

use super::error::{Error, Result};

/// Made when the first file is written.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Writes `{name}.png` and answers its path. Whatever could not stand in a file's name becomes a hyphen.
    pub(crate) fn write_png(&self, name: &str, bytes: &[u8]) -> Result<String> {
        self.write(&format!("{}.png", safe(name)), bytes)
    }

    /// Writes a file of a name that is safe.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<String> {
        std::fs::create_dir_all(&self.path).map_err(|error| Error::file("make", &self.path, error))?;
        let path = self.path.join(name);
        std::fs::write(&path, bytes).map_err(|error| Error::file("write", &path, error))?;
        Ok(path.display().to_string())
    }
}

fn safe(name: &str) -> String {
    name.chars().map(|letter| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(&root.path().join("new"));
        let path = folder.write_png("../a class/1", b"png").unwrap();
        assert_eq!(Path::new(&path), root.path().join("new/..-a-class-1.png"));
        assert_eq!(std::fs::read(path).unwrap(), b"png");
    }
}
