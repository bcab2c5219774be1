//! The cache's directory: which files there are, which are in use, which go first when room is needed.
//!
//! An entry is `<digest>.f32` (values, row after row) beside `<digest>.json` (its manifest, renamed into place last, so that an
//! entry without one does not exist). Whatever is missing or damaged is removed and computed again.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::features::Features;
use super::key::ActivationKey;
use super::writer::FeatureWriter;
use crate::domain::{Error, Result};
use crate::ml::files;

pub(super) const FORMAT_VERSION: u32 = 1;

/// What stands beside the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) version: u32,
    pub(super) rows: u64,
    pub(super) dim: u64,
    /// Of the values' file, in hexadecimal.
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn value_bytes(&self) -> u64 {
        self.rows.saturating_mul(self.dim).saturating_mul(4)
    }
}

/// Features in files, at most `max_bytes` of them, the least recently used giving way. Shared by the device threads.
#[derive(Debug, Clone)]
pub struct ActivationCache {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    max_bytes: u64,
    entries: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    bytes: u64,
    last_used: SystemTime,
    leases: usize,
    /// Its checksum was compared in this process.
    verified: bool,
}

impl ActivationCache {
    /// Opens `directory`, creating it if needed; files left by an interrupted write are removed.
    pub fn new(directory: &Path, max_bytes: u64) -> Result<Self> {
        fs::create_dir_all(directory).map_err(io("create the activation cache"))?;
        let entries = scan(directory).map_err(io("read the activation cache"))?;
        let shared = Shared { directory: directory.to_owned(), max_bytes, entries: Mutex::new(entries) };
        let cache = Self { shared: Arc::new(shared) };
        cache.make_room(0);
        Ok(cache)
    }

    /// The features of `key`, if they are here and whole.
    pub fn open(&self, key: &ActivationKey) -> Option<Features> {
        let lease = self.lease(key.digest())?;
        let opened = self.read_manifest(&lease).and_then(|manifest| {
            let (rows, dim) = (manifest.rows as usize, manifest.dim as usize);
            Features::mapped(lease, rows, dim).ok()
        });
        if opened.is_none() {
            self.remove(key.digest());
        }
        opened
    }

    /// Takes `rows * dim` values in order. Where they would not fit they stay in memory and are not cached.
    pub(super) fn writer(&self, key: &ActivationKey, rows: usize, dim: usize) -> Result<FeatureWriter> {
        let bytes = (rows * dim * size_of::<f32>()) as u64;
        match self.make_room(bytes) {
            true => FeatureWriter::to_file(self.clone(), key.digest(), rows, dim),
            false => Ok(FeatureWriter::to_memory(rows, dim)),
        }
    }

    /// Bytes of all entries.
    pub fn used_bytes(&self) -> u64 {
        self.entries().values().map(|entry| entry.bytes).sum()
    }

    /// Makes a written entry known and leases it. The files are in place already.
    pub(super) fn admit(&self, digest: &str, bytes: u64) -> Lease {
        let entry = Entry { bytes, last_used: SystemTime::now(), leases: 1, verified: true };
        let mut entries = self.entries();
        match entries.get_mut(digest) {
            // Another thread wrote the same values meanwhile.
            Some(present) => present.leases += 1,
            None => drop(entries.insert(digest.to_owned(), entry)),
        }
        drop(entries);
        self.make_room(0);
        Lease { cache: self.clone(), digest: digest.to_owned() }
    }

    pub(super) fn data_path(&self, digest: &str) -> PathBuf {
        self.shared.directory.join(format!("{digest}.f32"))
    }

    pub(super) fn manifest_path(&self, digest: &str) -> PathBuf {
        self.shared.directory.join(format!("{digest}.json"))
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(&self, digest: &str) -> Option<Lease> {
        let mut entries = self.entries();
        let entry = entries.get_mut(digest)?;
        entry.leases += 1;
        entry.last_used = SystemTime::now();
        drop(entries);
        touch(&self.manifest_path(digest));
        Some(Lease { cache: self.clone(), digest: digest.to_owned() })
    }

    /// The manifest, if it is of this version and the values are those it was written for.
    fn read_manifest(&self, lease: &Lease) -> Option<Manifest> {
        let manifest = parse_manifest(&self.manifest_path(&lease.digest))?;
        let data = self.data_path(&lease.digest);
        if fs::metadata(&data).ok()?.len() != manifest.value_bytes() {
            return None;
        }
        let verified = self.entries().get(&lease.digest).is_some_and(|entry| entry.verified);
        if !verified && files::sha256(&data).ok()? != manifest.sha256 {
            return None;
        }
        if let Some(entry) = self.entries().get_mut(&lease.digest) {
            entry.verified = true;
        }
        Some(manifest)
    }

    /// Evicts until `bytes` more fit; whether they do. Leased entries stay.
    fn make_room(&self, bytes: u64) -> bool {
        loop {
            let mut entries = self.entries();
            let used: u64 = entries.values().map(|entry| entry.bytes).sum();
            if used.saturating_add(bytes) <= self.shared.max_bytes {
                return true;
            }
            let free = entries.iter().filter(|(_, entry)| entry.leases == 0);
            let Some(oldest) = free.min_by_key(|(_, entry)| entry.last_used).map(|(digest, _)| digest.clone()) else {
                return false;
            };
            entries.remove(&oldest);
            drop(entries);
            self.delete_files(&oldest);
        }
    }

    fn remove(&self, digest: &str) {
        self.entries().remove(digest);
        self.delete_files(digest);
    }

    /// The manifest goes first: an entry is never seen without its values. A file that cannot be removed is only wasted room.
    fn delete_files(&self, digest: &str) {
        let _ = fs::remove_file(self.manifest_path(digest));
        let _ = fs::remove_file(self.data_path(digest));
    }
}

/// Holds an entry in the cache while it lives.
#[derive(Debug)]
pub(super) struct Lease {
    cache: ActivationCache,
    digest: String,
}

impl Lease {
    pub(super) fn data_path(&self) -> PathBuf {
        self.cache.data_path(&self.digest)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(entry) = self.cache.entries().get_mut(&self.digest) {
            entry.leases = entry.leases.saturating_sub(1);
        }
    }
}

/// Whole entries by digest. Everything else in the directory that looks like ours is removed.
fn scan(directory: &Path) -> std::io::Result<HashMap<String, Entry>> {
    let mut entries = HashMap::new();
    let mut leftovers = Vec::new();
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let Some(digest) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        match extension {
            Some("json") => match scan_entry(&path) {
                Some(entry) => drop(entries.insert(digest.to_owned(), entry)),
                None => leftovers.push(path),
            },
            Some("f32") if !path.with_extension("json").exists() => leftovers.push(path),
            Some("partial") => leftovers.push(path),
            _ => {}
        }
    }
    for path in leftovers {
        fs::remove_file(path)?;
    }
    Ok(entries)
}

fn scan_entry(manifest_path: &Path) -> Option<Entry> {
    let manifest = parse_manifest(manifest_path)?;
    let last_used = fs::metadata(manifest_path).and_then(|metadata| metadata.modified()).ok()?;
    let data = fs::metadata(manifest_path.with_extension("f32")).ok()?;
    let whole = data.len() == manifest.value_bytes();
    whole.then_some(Entry { bytes: manifest.value_bytes(), last_used, leases: 0, verified: false })
}

fn parse_manifest(path: &Path) -> Option<Manifest> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (manifest.version == FORMAT_VERSION && manifest.dim > 0 && manifest.rows > 0).then_some(manifest)
}

/// Records the use for the next start. Losing it costs an unlucky eviction at most.
fn touch(path: &Path) {
    if let Ok(file) = File::options().append(true).open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

pub(super) fn io(attempt: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::internal(format!("failed to {attempt}")).with_source(error)
}

#[cfg(test)]
mod tests;
