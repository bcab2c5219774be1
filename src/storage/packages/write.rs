//! A folder into one file: header first, then the tensors' bytes from wherever they lie, without holding them in memory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::folder::{Folder, Stored};
use crate::domain::Result;
use crate::ml::language::package_header;
use crate::storage::atomic::{self, FileDigest, io_failed};

impl Folder {
    /// Writes the package, whole or not at all, and says what was written. The folder of `target` exists.
    pub fn pack(&self, target: &Path) -> Result<FileDigest> {
        let header = self.header()?;
        let temporary = atomic::temporary_beside(target);
        if let Err(error) = self.write(&temporary, &header) {
            let _ = std::fs::remove_file(&temporary);
            return Err(io_failed("copy the weights", error));
        }
        let digest = atomic::digest(&temporary)?;
        atomic::publish(&temporary, target)?;
        Ok(digest)
    }

    fn header(&self) -> Result<Vec<u8>> {
        let tensors = self.tensors.iter().map(|stored| (stored.name.clone(), stored.info.clone())).collect();
        package_header(tensors, self.texts.clone().into_iter().collect())
    }

    fn write(&self, path: &Path, header: &[u8]) -> io::Result<()> {
        let mut target = BufWriter::new(File::create(path)?);
        target.write_all(&(header.len() as u64).to_le_bytes())?;
        target.write_all(header)?;
        let mut open: HashMap<&PathBuf, File> = HashMap::new();
        for stored in &self.tensors {
            if !open.contains_key(&stored.file) {
                open.insert(&stored.file, File::open(&stored.file)?);
            }
            let Some(mut file) = open.get(&stored.file) else { continue };
            file.seek(SeekFrom::Start(stored.offset))?;
            if io::copy(&mut file.take(stored.length()), &mut target)? != stored.length() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        target.flush()
    }
}

impl Stored {
    fn length(&self) -> u64 {
        (self.info.data_offsets.1 - self.info.data_offsets.0) as u64
    }
}
