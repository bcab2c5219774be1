//! Values made from files, made again when the files change.
//!
//! Contents are compared, not times: whoever replaces a file, or the link to it (as Kubernetes does), need not touch anything. A file that
//! is just being written is waited for until it stays the same. A pair of files is written one after the other, so a value that cannot be
//! made is told once and tried again with the next change; the old value stays meanwhile.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};

use crate::domain::{Error, Result};

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
const MOST_LOOKS: u32 = 20;

type Build<T> = dyn Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync;
type Contents = Result<Vec<Vec<u8>>, String>;
/// Of all contents, or why they cannot be read.
type Fingerprint = Result<[u8; 32], String>;

/// See the module.
pub(super) struct Reloading<T> {
    /// What it is, for people.
    what: &'static str,
    files: Vec<PathBuf>,
    build: Box<Build<T>>,
    seen: Fingerprint,
    current: Arc<ArcSwap<T>>,
}

impl<T> Reloading<T> {
    /// Makes the first value.
    ///
    /// # Errors
    /// When a file cannot be read, or the value not be made of it.
    pub(super) fn open(
        what: &'static str,
        files: Vec<PathBuf>,
        build: impl Fn(&[Vec<u8>]) -> Result<T, String> + Send + Sync + 'static,
    ) -> Result<Self> {
        let unusable = |why: String| Error::failed_precondition("UNUSABLE_FILE", format!("{what}: {why}"));
        let contents = read(&files).map_err(unusable)?;
        let value = build(&contents).map_err(unusable)?;
        let current = Arc::new(ArcSwap::from_pointee(value));
        Ok(Self { what, files, build: Box::new(build), seen: Ok(fingerprint(&contents)), current })
    }

    fn look(&self) -> (Contents, Fingerprint) {
        let contents = read(&self.files);
        let fingerprint = contents.as_deref().map(fingerprint).map_err(Clone::clone);
        (contents, fingerprint)
    }

    /// The contents once two looks in a row are the same, or the last of many.
    fn settled(&self, mut contents: Contents, mut seen: Fingerprint) -> (Contents, Fingerprint) {
        for _ in 0..MOST_LOOKS {
            std::thread::sleep(BETWEEN_LOOKS);
            let (next, now) = self.look();
            let same = now == seen;
            (contents, seen) = (next, now);
            if same {
                break;
            }
        }
        (contents, seen)
    }

    /// Where the value of each moment is.
    pub(super) fn current(&self) -> Arc<ArcSwap<T>> {
        self.current.clone()
    }
}

/// A value that may have changed.
pub(super) trait Refresh: Send {
    /// Reads the files, and makes the value again if they differ.
    fn refresh(&mut self);
}

impl<T: Send + Sync> Refresh for Reloading<T> {
    fn refresh(&mut self) {
        let (contents, now) = self.look();
        if now == self.seen {
            return;
        }
        let (contents, now) = self.settled(contents, now);
        self.seen = now;
        match contents.and_then(|contents| (self.build)(&contents)) {
            Ok(value) => {
                self.current.store(Arc::new(value));
                tracing::info!(what = self.what, "read again after a change");
            }
            Err(error) => {
                tracing::error!(what = self.what, error, "cannot use the changed files; going on with the old ones")
            }
        }
    }
}

impl<T> fmt::Debug for Reloading<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Reloading")
            .field("what", &self.what)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

fn read(files: &[PathBuf]) -> Contents {
    let read = |path: &PathBuf| fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()));
    files.iter().map(read).collect()
}

fn fingerprint(contents: &[Vec<u8>]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for content in contents {
        hasher.update((content.len() as u64).to_le_bytes());
        hasher.update(content);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn number(path: &Path) -> Result<Reloading<u32>> {
        Reloading::open("number", vec![path.to_owned()], |contents| {
            String::from_utf8_lossy(&contents[0]).trim().parse().map_err(|_| "no number".to_owned())
        })
    }

    #[test]
    fn a_change_makes_a_new_value_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        fs::write(&path, "1").unwrap();
        let mut value = number(&path).unwrap();
        let current = value.current();
        let mut after = |text: Option<&str>| {
            match text {
                Some(text) => fs::write(&path, text).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            value.refresh();
            **current.load()
        };
        assert_eq!(
            (after(Some("1")), after(Some("2")), after(Some("two")), after(None), after(Some("3"))),
            (1, 2, 2, 2, 3)
        );
    }

    #[test]
    fn the_first_value_must_be_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        assert!(number(&path).unwrap_err().message.contains("cannot read"));
        fs::write(&path, "two").unwrap();
        assert!(number(&path).unwrap_err().message.contains("no number"));
    }
}
