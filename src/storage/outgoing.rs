//! A file or folder on its way to where a client wants it, which may be outside of the data directory.
//!
//! A note of the unfinished one is made in the data directory first, so that what a dead daemon leaves is found and removed by the next.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::atomic;
use super::layout::{DataLayout, entries, is_partial};
use crate::domain::Result;

/// Whole where it belongs, or absent: what is not published is removed with the last clone, so that whoever still writes keeps one.
#[derive(Debug, Clone)]
pub struct Outgoing(Arc<Unfinished>);

#[derive(Debug)]
struct Unfinished {
    temporary: PathBuf,
    target: PathBuf,
    note: PathBuf,
}

impl Outgoing {
    pub fn new(layout: &DataLayout, target: PathBuf) -> Result<Self> {
        let temporary = atomic::temporary_beside(&target);
        let note = layout.outgoing().join(uuid::Uuid::new_v4().simple().to_string());
        atomic::write(&note, temporary.as_os_str().as_bytes())?;
        Ok(Self(Arc::new(Unfinished { temporary, target, note })))
    }

    /// Makes it durable and moves it into place.
    pub fn publish(self) -> Result<()> {
        atomic::publish(&self.0.temporary, &self.0.target)
    }
}

/// To be written: a file or a folder that does not exist yet.
impl AsRef<Path> for Outgoing {
    fn as_ref(&self) -> &Path {
        &self.0.temporary
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        remove(&self.temporary, &self.note);
    }
}

/// Removes what an earlier daemon left unfinished.
pub(super) fn clear(layout: &DataLayout) {
    for note in entries(&layout.outgoing()) {
        let temporary = fs::read(&note).map(|path| PathBuf::from(OsString::from_vec(path)));
        match temporary {
            Ok(temporary) if is_partial(&temporary) => remove(&temporary, &note),
            Ok(_) | Err(_) => tracing::warn!(note = %note.display(), "cannot be read, and stays"),
        }
    }
}

/// The note stays for the next start where the other cannot be removed.
fn remove(temporary: &Path, note: &Path) {
    if let Err(error) = atomic::remove(temporary).and_then(|()| atomic::remove(note)) {
        tracing::warn!(path = %temporary.display(), error = %error, "an unfinished file could not be removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<PathBuf> {
        entries(folder)
    }

    #[test]
    fn what_is_published_is_there_and_what_is_not_is_gone() {
        let (data, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let layout = DataLayout::create(data.path()).unwrap();
        let target = outside.path().join("model.pt");
        let given_up = Outgoing::new(&layout, target.clone()).unwrap();
        fs::write(given_up.as_ref(), b"half").unwrap();
        drop(given_up);
        assert!(names(outside.path()).is_empty() && names(&layout.outgoing()).is_empty());
        let whole = Outgoing::new(&layout, target.clone()).unwrap();
        fs::write(whole.as_ref(), b"whole").unwrap();
        whole.publish().unwrap();
        assert_eq!((names(outside.path()), names(&layout.outgoing())), (vec![target], vec![]));
    }

    #[test]
    fn what_a_dead_daemon_left_is_removed_and_nothing_else() {
        let (data, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let layout = DataLayout::create(data.path()).unwrap();
        let dead = Outgoing::new(&layout, outside.path().join("folder")).unwrap();
        fs::create_dir(dead.as_ref()).unwrap();
        fs::write(dead.as_ref().join("config.json"), b"{}").unwrap();
        std::mem::forget(dead);
        let precious = outside.path().join("precious");
        fs::write(&precious, b"kept").unwrap();
        fs::write(layout.outgoing().join("strange"), precious.as_os_str().as_bytes()).unwrap();
        layout.clear_leftovers().unwrap();
        assert_eq!((names(outside.path()), names(&layout.outgoing()).len()), (vec![precious], 1));
    }
}
