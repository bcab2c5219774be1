//! One daemon per data directory.

use std::fs::{File, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;

use super::atomic::io_failed;
use crate::domain::{Error, Result};

/// Held as long as it lives; the operating system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Fails at once (`DATA_DIRECTORY_IN_USE`) if another process holds the lock file.
    pub fn acquire(path: &Path) -> Result<Self> {
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(|error| io_failed("open the lock", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use()),
            Err(TryLockError::Error(error)) => return Err(io_failed("take the lock", error)),
        }
        let noted =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(|error| io_failed("write the lock", error))?;
        Ok(Self { _file: file })
    }
}

fn in_use() -> Error {
    Error::failed_precondition(
        "DATA_DIRECTORY_IN_USE",
        "another unlearnd uses this data directory; stop it or choose another --data-dir",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = DirectoryLock::acquire(&path).unwrap();
        assert_eq!(DirectoryLock::acquire(&path).unwrap_err().reason, "DATA_DIRECTORY_IN_USE");
        drop(first);
        DirectoryLock::acquire(&path).unwrap();
    }
}
