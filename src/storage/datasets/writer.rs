//! Writes one split: images, labels and columns, each to a file of its own (see `manifest` for the form).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::domain::dataset::{ImageShape, SplitRecord};
use crate::domain::{Error, Result};
use crate::storage::atomic;

use super::manifest::{Layout, Stored, StoredColumn, StoredFile, StoredSplit};
use super::prepare::Prepared;

const BUFFER_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct SplitWriter {
    name: String,
    layout: Layout,
    images: HashedFile,
    offsets: Option<HashedFile>,
    labels: HashedFile,
    columns: Vec<TextColumn>,
    /// Of the first image.
    first: Option<(ImageShape, Stored)>,
    same_shape: bool,
    class_counts: Vec<u64>,
    sample_count: u64,
    content: Sha256,
}

/// What became of a split.
#[derive(Debug)]
pub(super) struct FinishedSplit {
    pub(super) stored: StoredSplit,
    pub(super) class_counts: Vec<u64>,
    /// SHA-256 over (label, digest of the pixels) of the samples in order.
    pub(super) content: [u8; 32],
}

impl SplitWriter {
    pub(super) fn create(folder: &Path, number: usize, name: &str, layout: Layout, columns: &[String]) -> Result<Self> {
        let file = |suffix: &str| HashedFile::create(folder, format!("{number}.{suffix}"));
        let offsets = match layout {
            Layout::Plain => None,
            Layout::Encoded => Some(file("images.offsets")?.starting_at_zero()?),
        };
        let column =
            |(index, name): (usize, &String)| TextColumn::create(folder, format!("{number}.column-{index}"), name);
        Ok(Self {
            name: name.to_owned(),
            layout,
            images: file("images")?,
            offsets,
            labels: file("labels")?,
            columns: columns.iter().enumerate().map(column).collect::<Result<_>>()?,
            first: None,
            same_shape: true,
            class_counts: Vec::new(),
            sample_count: 0,
            content: Sha256::new(),
        })
    }

    /// The shape that images must have in the plain layout, once one is written.
    pub(super) fn first(&self) -> Option<(ImageShape, Stored)> {
        self.first
    }

    pub(super) fn add(&mut self, sample: &Prepared, label: u32) -> Result<()> {
        let (shape, element) = *self.first.get_or_insert((sample.shape, sample.element));
        debug_assert!(self.layout == Layout::Encoded || (shape, element) == (sample.shape, sample.element));
        if element != sample.element {
            return Err(Error::internal("a split mixes bytes and floats"));
        }
        self.same_shape &= shape == sample.shape;
        self.images.write(&sample.stored)?;
        if let Some(offsets) = &mut self.offsets {
            offsets.write(&self.images.size.to_le_bytes())?;
        }
        self.labels.write(&label.to_le_bytes())?;
        for (column, value) in self.columns.iter_mut().zip(&sample.columns) {
            column.add(value)?;
        }
        self.count(label);
        self.content.update(label.to_le_bytes());
        self.content.update(sample.digest);
        Ok(())
    }

    fn count(&mut self, label: u32) {
        let class = label as usize;
        if self.class_counts.len() <= class {
            self.class_counts.resize(class + 1, 0);
        }
        self.class_counts[class] += 1;
        self.sample_count += 1;
    }

    pub(super) fn image_bytes(&self) -> u64 {
        self.images.size
    }

    /// Makes the files durable.
    pub(super) fn finish(self) -> Result<FinishedSplit> {
        let stored = StoredSplit {
            name: self.name,
            sample_count: self.sample_count,
            layout: self.layout,
            element: self.first.map_or(Stored::Bytes, |(_, element)| element),
            shape: self.first.map(|(shape, _)| shape).filter(|_| self.same_shape),
            images: self.images.finish()?,
            offsets: self.offsets.map(HashedFile::finish).transpose()?,
            labels: self.labels.finish()?,
            columns: self.columns.into_iter().map(TextColumn::finish).collect::<Result<_>>()?,
        };
        Ok(FinishedSplit { stored, class_counts: self.class_counts, content: self.content.finalize().into() })
    }
}

impl FinishedSplit {
    pub(super) fn record(&self, class_count: usize) -> SplitRecord {
        let mut class_counts = self.class_counts.clone();
        class_counts.resize(class_count, 0);
        SplitRecord { name: self.stored.name.clone(), sample_count: self.stored.sample_count, class_counts }
    }
}

#[derive(Debug)]
pub(super) struct TextColumn {
    name: String,
    values: HashedFile,
    offsets: HashedFile,
}

impl TextColumn {
    pub(super) fn create(folder: &Path, file: String, name: &str) -> Result<Self> {
        let offsets = HashedFile::create(folder, format!("{file}.offsets"))?.starting_at_zero()?;
        Ok(Self { name: name.to_owned(), values: HashedFile::create(folder, file)?, offsets })
    }

    pub(super) fn add(&mut self, value: &str) -> Result<()> {
        self.values.write(value.as_bytes())?;
        self.offsets.write(&self.values.size.to_le_bytes())
    }

    pub(super) fn finish(self) -> Result<StoredColumn> {
        Ok(StoredColumn { name: self.name, values: self.values.finish()?, offsets: self.offsets.finish()? })
    }
}

/// A file whose checksum is known when it is written.
#[derive(Debug)]
pub(super) struct HashedFile {
    name: String,
    file: BufWriter<File>,
    hasher: Sha256,
    pub(super) size: u64,
}

impl HashedFile {
    pub(super) fn create(folder: &Path, name: String) -> Result<Self> {
        let file = File::create(folder.join(&name)).map_err(failed)?;
        Ok(Self { name, file: BufWriter::with_capacity(BUFFER_BYTES, file), hasher: Sha256::new(), size: 0 })
    }

    pub(super) fn starting_at_zero(mut self) -> Result<Self> {
        self.write(&0_u64.to_le_bytes())?;
        Ok(self)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(failed)?;
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<StoredFile> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(failed)?;
        Ok(StoredFile { name: self.name, size_bytes: self.size, sha256: atomic::hex(&self.hasher.finalize()) })
    }
}

fn failed(error: std::io::Error) -> Error {
    atomic::io_failed("store a dataset", error)
}
