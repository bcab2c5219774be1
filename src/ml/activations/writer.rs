//! Takes features as they are computed, row after row, into a file of the cache or into memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use tch::Tensor;

use super::cache::{ActivationCache, FORMAT_VERSION, Manifest, io};
use super::features::Features;
use crate::domain::{Error, Result};
use crate::ml::files;
use crate::ml::torch::{NoGrad, tensor_bytes, torch_error};

/// Dropped before `finish`, it leaves nothing behind.
#[derive(Debug)]
pub(super) struct FeatureWriter {
    rows: usize,
    dim: usize,
    written: usize,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Memory(Vec<Tensor>),
    File(FileSink),
}

#[derive(Debug)]
struct FileSink {
    cache: ActivationCache,
    digest: String,
    partial: PathBuf,
    file: BufWriter<File>,
    hash: Sha256,
}

/// Of the writers of this process; what another one left is removed when the cache is opened.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl FeatureWriter {
    pub(super) fn to_memory(rows: usize, dim: usize) -> Self {
        Self { rows, dim, written: 0, sink: Sink::Memory(Vec::new()) }
    }

    pub(super) fn to_file(cache: ActivationCache, digest: &str, rows: usize, dim: usize) -> Result<Self> {
        // The same features may be computed twice at a time, by two devices or by a call whose client has left and the next one: each
        // writes and removes its own file, the later rename wins.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let partial = cache.data_path(digest).with_extension(format!("{number}.partial"));
        let file = BufWriter::new(File::create(&partial).map_err(io("write to the activation cache"))?);
        let sink = FileSink { cache, digest: digest.to_owned(), partial, file, hash: Sha256::new() };
        Ok(Self { rows, dim, written: 0, sink: Sink::File(sink) })
    }

    /// The next rows, `[n, dim]`.
    pub(super) fn append(&mut self, rows: &Tensor) -> Result<()> {
        let size = rows.size();
        if size.len() != 2 || size[1] != self.dim as i64 || self.written + size[0] as usize > self.rows {
            return Err(Error::internal(format!(
                "activations of shape {size:?} do not fit [{}, {}]",
                self.rows, self.dim
            )));
        }
        self.written += size[0] as usize;
        let _guard = NoGrad::enter();
        let rows = rows.f_to_device(tch::Device::Cpu).and_then(|rows| rows.f_to_kind(tch::Kind::Float));
        let rows = rows.map_err(torch_error("read activations"))?;
        match &mut self.sink {
            Sink::Memory(parts) => parts.push(rows),
            Sink::File(sink) => sink.append(&rows)?,
        }
        Ok(())
    }

    /// All rows are there: the features, durable if they go to a file.
    pub(super) fn finish(self) -> Result<Features> {
        debug_assert_eq!(self.written, self.rows, "every row was appended");
        match self.sink {
            Sink::Memory(parts) => {
                let all = Tensor::f_cat(&parts, 0).map_err(torch_error("join activations"))?;
                Ok(Features::in_memory(all))
            }
            Sink::File(sink) => sink.finish(self.rows, self.dim),
        }
    }
}

impl FileSink {
    fn append(&mut self, rows: &Tensor) -> Result<()> {
        let bytes = tensor_bytes(rows).map_err(torch_error("read activations"))?;
        self.hash.update(&bytes);
        self.file.write_all(&bytes).map_err(io("write to the activation cache"))
    }

    fn finish(mut self, rows: usize, dim: usize) -> Result<Features> {
        let failed = || io("write to the activation cache");
        self.file.flush().map_err(failed())?;
        self.file.get_ref().sync_all().map_err(failed())?;
        std::fs::rename(&self.partial, self.cache.data_path(&self.digest)).map_err(failed())?;
        let sha256 = format!("{:x}", self.hash.finalize_reset());
        let manifest = Manifest { version: FORMAT_VERSION, rows: rows as u64, dim: dim as u64, sha256 };
        let text = serde_json::to_vec(&manifest)
            .map_err(|error| Error::internal("failed to write to the activation cache").with_source(error))?;
        files::write_atomically(&self.cache.manifest_path(&self.digest), &text).map_err(failed())?;
        Features::mapped(self.cache.admit(&self.digest, manifest.value_bytes()), rows, dim)
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        // Gone already after a rename.
        let _ = std::fs::remove_file(&self.partial);
    }
}
