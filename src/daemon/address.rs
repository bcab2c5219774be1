//! Where the daemon can be reached, for whoever started it on port 0.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::domain::{Error, Result};

/// A file with the bound address; removed when the daemon ends.
#[derive(Debug)]
pub(super) struct AddressFile {
    path: PathBuf,
    address: SocketAddr,
}

impl AddressFile {
    /// A reader sees the whole line or no file.
    pub(super) fn write(path: PathBuf, address: SocketAddr) -> Result<Self> {
        replace(&path, &format!("{address}\n"))
            .map_err(|error| Error::internal(format!("failed to write {}", path.display())).with_source(error))?;
        Ok(Self { path, address })
    }

    /// Tells the address on standard output; nobody may be listening there.
    pub(super) fn announce(&self) {
        let _closed = writeln!(io::stdout(), "unlearnd listening on {}", self.address);
        tracing::info!(address = %self.address, version = env!("CARGO_PKG_VERSION"), "listening");
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "failed to remove the address file");
        }
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    fs::write(&temporary, text)?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_lives_as_long_as_the_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/address");
        let file = AddressFile::write(path.clone(), "127.0.0.1:5".parse().unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "127.0.0.1:5\n");
        drop(file);
        assert!(!path.exists());
    }
}
