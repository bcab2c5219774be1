//! A data directory on a disk of its own that can be filled to the last byte: a tmpfs, which takes the right to mount.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

const BALLAST: &str = "ballast";

/// Unmounted with the test; dropped after the daemon on it.
pub(crate) struct SmallDisk {
    folder: PathBuf,
    data: PathBuf,
}

impl SmallDisk {
    /// A folder for a daemon whose data directory is such a disk; `None`, told loudly, where it cannot be mounted.
    pub(crate) fn mount(mebibytes: u32) -> Option<(Self, TempDir)> {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let size = format!("size={mebibytes}m,mode=700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "unlearnd-test"]).arg(&data).output();
        match mounted {
            Ok(output) if output.status.success() => Some((Self { folder: folder.path().to_owned(), data }, folder)),
            told => {
                println!("SKIPPED: no tmpfs can be mounted here, which takes root: {told:?}");
                None
            }
        }
    }

    /// Takes all room but so many bytes.
    pub(crate) fn fill(&self, but: u64) {
        let mut ballast = File::options().create(true).append(true).open(self.data.join(BALLAST)).unwrap();
        let block = [7; 4096];
        loop {
            match ballast.write(&block) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("the ballast: {error}"),
            }
        }
        let size = ballast.metadata().unwrap().len();
        ballast.set_len(size.saturating_sub(but)).unwrap();
    }

    /// Gives the room back.
    pub(crate) fn clear(&self) {
        fs::remove_file(self.data.join(BALLAST)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.data).status();
        if unmounted.is_ok_and(|status| status.success()) {
            let _empty = fs::remove_dir_all(&self.folder);
        }
    }
}
