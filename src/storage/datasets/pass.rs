//! One reading of a source into one layout: batches are decoded in parallel and written in order.
//!
//! Content hash: SHA-256 over the class names and, sorted by name, the splits: their names and (label, SHA-256 of the decoded
//! image) of each sample. It depends neither on path and file format nor on the layout; bytes and floats count as different.

use std::collections::HashSet;
use std::path::Path;
use std::time::SystemTime;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::domain::dataset::{DatasetFormat, DatasetRecord, ImageShape};
use crate::domain::{Error, Result};
use crate::storage::atomic;

use super::classes::Classes;
use super::ingest::IngestRequest;
use super::limits::Limits;
use super::manifest::{Layout, Manifest, VERSION};
use super::prepare::{Prepared, prepare};
use super::sample::{RawSample, Reader, Stop};
use super::writer::{FinishedSplit, SplitWriter};

/// Decoded images of one chunk, together.
const CHUNK_BYTES: usize = 64 << 20;
const MAX_CHUNK: usize = 1024;
const MAX_SPLIT_NAME_CHARS: usize = 63;

/// One reading of the source.
pub(super) struct Pass<'a> {
    layout: Layout,
    folder: &'a Path,
    limits: &'a Limits,
    progress: &'a dyn Fn(u64, u64),
    columns: &'a [String],
    total: u64,
    done: u64,
    chunk: usize,
    classes: Classes,
    writers: Vec<(String, SplitWriter)>,
}

impl<'a> Pass<'a> {
    /// Nothing when the images do not fit the layout.
    pub(super) fn run(
        layout: Layout,
        request: &IngestRequest,
        reader: &'a dyn Reader,
        folder: &'a Path,
        limits: &'a Limits,
        progress: &'a dyn Fn(u64, u64),
    ) -> Result<Option<StoredDataset>> {
        let mut pass = Self {
            layout,
            folder,
            limits,
            progress,
            columns: reader.columns(),
            total: reader.sample_count(),
            done: 0,
            chunk: rayon::current_num_threads(),
            classes: Classes::new(&request.class_names, reader.class_names(), limits.classes)?,
            writers: Vec::new(),
        };
        progress(0, pass.total);
        match reader.read(&mut |split, batch| pass.take(split, batch)) {
            Ok(()) => pass.finish().map(Some),
            Err(Stop::Relayout) => Ok(None),
            Err(Stop::Failed(error)) => Err(error),
        }
    }

    fn take(&mut self, split: &str, batch: Vec<RawSample>) -> Result<(), Stop> {
        let writer = self.writer(split)?;
        let mut batch = batch.into_iter();
        loop {
            let chunk: Vec<RawSample> = batch.by_ref().take(self.chunk).collect();
            if chunk.is_empty() {
                return Ok(());
            }
            self.done += chunk.len() as u64;
            let (layout, limits, first) = (self.layout, self.limits, self.writers[writer].1.first());
            let prepared: Vec<Result<Prepared>> =
                chunk.into_par_iter().map(|sample| prepare(sample, layout, first, limits)).collect();
            for sample in prepared {
                self.store(writer, &sample?)?;
            }
            (self.progress)(self.done, self.total.max(self.done));
        }
    }

    fn store(&mut self, writer: usize, sample: &Prepared) -> Result<(), Stop> {
        if self.layout == Layout::Plain && !self.fits_plain(writer, sample) {
            return Err(Stop::Relayout);
        }
        let label = self.classes.index(&sample.label, &sample.place)?;
        self.writers[writer].1.add(sample, label)?;
        let stored: u64 = self.writers.iter().map(|(_, writer)| writer.image_bytes()).sum();
        if stored > self.limits.stored_bytes {
            let why = format!("its images need more than {} bytes; register a part of it", self.limits.stored_bytes);
            return Err(Error::invalid("DATASET_TOO_LARGE", "uri", why).into());
        }
        self.chunk = (CHUNK_BYTES / sample.shape.value_count()).clamp(rayon::current_num_threads(), MAX_CHUNK);
        Ok(())
    }

    /// Plain images have nothing smaller to be kept as, so only encoded ones are bounded by the size of their pixels.
    fn fits_plain(&self, writer: usize, sample: &Prepared) -> bool {
        let expected = self.total.saturating_mul(sample.shape.value_count() as u64);
        let first = self.writers[writer].1.first();
        first.is_none_or(|first| first == (sample.shape, sample.element))
            && !(sample.was_encoded && expected > self.limits.decoded_bytes)
    }

    fn writer(&mut self, split: &str) -> Result<usize> {
        if let Some(found) = self.writers.iter().position(|(name, _)| name == split) {
            return Ok(found);
        }
        let number = self.writers.len();
        if split.is_empty() || split.chars().count() > MAX_SPLIT_NAME_CHARS || split.chars().any(char::is_control) {
            let why = format!("a split has no usable name; names have 1 to {MAX_SPLIT_NAME_CHARS} characters");
            return Err(Error::invalid("INVALID_SPLIT_NAME", "split", why));
        }
        if number == self.limits.splits {
            return Err(Error::invalid("TOO_MANY_SPLITS", "uri", format!("more than {number} splits")));
        }
        let columns = self.columns.len() * (number + 1);
        if columns > self.limits.columns {
            let why = format!("{columns} further columns over all splits; at most {} are kept", self.limits.columns);
            return Err(Error::invalid("TOO_MANY_COLUMNS", "uri", why));
        }
        let writer = SplitWriter::create(self.folder, number, split, self.layout, self.columns)?;
        self.writers.push((split.to_owned(), writer));
        Ok(number)
    }

    fn finish(self) -> Result<StoredDataset> {
        if self.writers.is_empty() {
            return Err(Error::invalid("EMPTY_DATASET", "uri", "the dataset holds no samples"));
        }
        let class_names = self.classes.into_names();
        let mut splits = self.writers.into_iter().map(|(_, writer)| writer.finish()).collect::<Result<Vec<_>>>()?;
        splits.sort_by(|a, b| a.stored.name.cmp(&b.stored.name));
        let content_hash = content_hash(&class_names, &splits);
        let stored = splits.iter().map(|split| split.stored.clone()).collect();
        let manifest = Manifest { version: VERSION, content_hash, class_names, splits: stored };
        Ok(StoredDataset { manifest, splits })
    }
}

fn content_hash(class_names: &[String], splits: &[FinishedSplit]) -> String {
    let mut hasher = Sha256::new();
    let text = |hasher: &mut Sha256, text: &str| {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    hasher.update((class_names.len() as u64).to_le_bytes());
    class_names.iter().for_each(|name| text(&mut hasher, name));
    for split in splits {
        text(&mut hasher, &split.stored.name);
        hasher.update(split.stored.sample_count.to_le_bytes());
        hasher.update(split.content);
    }
    atomic::hex(&hasher.finalize())
}

/// What a pass has written.
pub(super) struct StoredDataset {
    pub(super) manifest: Manifest,
    splits: Vec<FinishedSplit>,
}

impl StoredDataset {
    pub(super) fn record(
        &self,
        request: &IngestRequest,
        format: DatasetFormat,
        columns: &[String],
        size_bytes: u64,
    ) -> DatasetRecord {
        let class_names = &self.manifest.class_names;
        DatasetRecord {
            id: request.id.clone(),
            uri: request.uri.clone(),
            format,
            text_form: None,
            class_names: class_names.clone(),
            splits: self.splits.iter().map(|split| split.record(class_names.len())).collect(),
            content_hash: self.manifest.content_hash.clone(),
            image_shape: self.common_shape(),
            columns: columns.to_vec(),
            size_bytes,
            create_time: SystemTime::now(),
        }
    }

    fn common_shape(&self) -> Option<ImageShape> {
        let shapes: HashSet<Option<ImageShape>> = self.splits.iter().map(|split| split.stored.shape).collect();
        if shapes.len() == 1 { shapes.into_iter().next().flatten() } else { None }
    }
}
