//! Files that are either whole or absent: write to a temporary name, fsync, rename, fsync the directory, then tell anyone.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::domain::Result;
pub use crate::domain::disk::io_failed;

const BUFFER_BYTES: usize = 1 << 20;
/// Of a name in that of its temporary file: four bytes each at most, where a file system takes 255 for a name.
const MOST_CHARACTERS: usize = 48;

/// What a file holds: lower-case hexadecimal SHA-256 and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    pub sha256: String,
    pub size_bytes: u64,
}

/// Writes the whole file, or leaves what was there before.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = temporary_beside(path);
    let written = File::create(&temporary).and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| io_failed("write a file", error))?;
    publish(&temporary, path)
}

/// Makes a finished file durable and moves it into place; both paths are on one file system.
pub fn publish(temporary: &Path, path: &Path) -> Result<()> {
    sync_rename(temporary, path).map_err(|error| {
        let _ = fs::remove_file(temporary);
        io_failed("publish a file", error)
    })
}

fn sync_rename(temporary: &Path, path: &Path) -> io::Result<()> {
    File::open(temporary)?.sync_all()?;
    fs::rename(temporary, path)?;
    sync_parent(path)
}

/// Makes a rename or removal in the directory of `path` durable.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// A name in the same directory that no other file has: `.name.<uuid>.partial`, of a long name its beginning.
pub fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().take(MOST_CHARACTERS).collect();
    path.with_file_name(format!(".{name}.{}.partial", uuid::Uuid::new_v4().simple()))
}

/// Reads the file once.
pub fn digest(path: &Path) -> Result<FileDigest> {
    let read = || -> io::Result<FileDigest> {
        let mut file = File::open(path)?;
        let (mut hasher, mut size_bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(FileDigest { sha256: hex(&hasher.finalize()), size_bytes });
            }
            hasher.update(&buffer[..count]);
            size_bytes += count as u64;
        }
    };
    read().map_err(|error| io_failed("read a file", error))
}

/// Copies to `target`, whole or not at all, and says what was copied.
pub fn copy(source: &Path, target: &Path) -> Result<FileDigest> {
    let temporary = temporary_beside(target);
    let copied = fill(source, &temporary).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })?;
    publish(&temporary, target)?;
    Ok(copied)
}

/// Copies to a file that nobody looks at yet, and says what was copied.
pub fn fill(source: &Path, temporary: &Path) -> Result<FileDigest> {
    fs::copy(source, temporary).map_err(|error| io_failed("copy a file", error))?;
    digest(temporary)
}

/// Removes a file or folder if it is there.
pub fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Ok(()) => sync_parent(path).map_err(|error| io_failed("remove a file", error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_failed("remove a file", error)),
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_replaces_the_old_one_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.json");
        write(&path, b"old").unwrap();
        write(&path, b"abc").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abc");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_longest_names_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["n".repeat(255), "\u{1f512}".repeat(63)] {
            write(&folder.path().join(name), b"abc").unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_digest_is_that_of_sha256sum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, b"abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(&path).unwrap(), FileDigest { sha256: expected.to_owned(), size_bytes: 3 });
    }
}
