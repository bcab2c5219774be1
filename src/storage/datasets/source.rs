//! One split of a stored dataset, which hands out decoded images in any order to any thread.
//!
//! Pixels are read by position (`pread`), so they live in the page cache only and no mapping can fault when a disk fails.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::domain::dataset::{ImageBatch, ImageShape, ImageSource, Pixels, Selector};
use crate::domain::model::Resize;
use crate::domain::{Error, Result};
use crate::storage::atomic;

use super::decode::Image;
use super::limits::Limits;
use super::manifest::{Layout, Manifest, Stored, StoredSplit, lost};
use super::prepare::{from_blob, from_little_endian};
use super::resize::fit;
use super::sample::Place;
use super::select::Rows;

/// One split of a stored dataset.
pub struct Split {
    key: String,
    stored: StoredSplit,
    folder: PathBuf,
    class_names: Vec<String>,
    labels: Vec<u32>,
    images: File,
    /// Of the encoded layout.
    offsets: Vec<u64>,
    limits: Limits,
}

impl fmt::Debug for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Split")
            .field("key", &self.key)
            .field("samples", &self.labels.len())
            .finish_non_exhaustive()
    }
}

impl Split {
    pub(super) fn open(folder: &Path, manifest: &Manifest, stored: &StoredSplit) -> Result<Self> {
        let labels = stored.labels.read(folder)?;
        let labels: Vec<u32> = labels.as_chunks().0.iter().map(|label| u32::from_le_bytes(*label)).collect();
        let offsets = match &stored.offsets {
            Some(offsets) => offsets.read_offsets(folder, stored.images.size_bytes)?,
            None => Vec::new(),
        };
        let split = Self {
            key: format!("{}/{}", manifest.content_hash, stored.name),
            images: File::open(folder.join(&stored.images.name))
                .map_err(|error| atomic::io_failed("open a dataset", error))?,
            stored: stored.clone(),
            folder: folder.to_owned(),
            class_names: manifest.class_names.clone(),
            labels,
            offsets,
            limits: Limits::default(),
        };
        if split.is_consistent() { Ok(split) } else { Err(lost("its files do not fit together")) }
    }

    fn is_consistent(&self) -> bool {
        let count = self.labels.len();
        let images_fit = match self.stored.layout {
            Layout::Plain => (count * self.plain_bytes()) as u64 == self.stored.images.size_bytes,
            Layout::Encoded => self.offsets.len() == count + 1,
        };
        let labels_fit = self.labels.iter().all(|label| (*label as usize) < self.class_names.len());
        images_fit && labels_fit && count as u64 == self.stored.sample_count
    }

    pub fn name(&self) -> &str {
        &self.stored.name
    }

    /// Positions that match every condition of `selector`, ascending and each once; an empty selector means all. Errors name
    /// the field relative to the selector (`classes[0]`, `predicates[1].fraction`).
    pub fn select(&self, selector: &Selector) -> Result<Vec<usize>> {
        let rows = Rows {
            split: &self.stored.name,
            count: self.labels.len(),
            labels: &self.labels,
            class_names: &self.class_names,
            columns: &self.stored.columns,
            folder: &self.folder,
        };
        rows.select(selector)
    }

    /// Common shape of the images, absent when they differ.
    pub fn image_shape(&self) -> Option<ImageShape> {
        self.stored.shape
    }

    /// Bytes of one image of the plain layout.
    fn plain_bytes(&self) -> usize {
        let size = match self.stored.element {
            Stored::Bytes => 1,
            Stored::Floats => 4,
        };
        self.stored.shape.map_or(0, ImageShape::value_count) * size
    }

    fn check_positions(&self, positions: &[usize]) -> Result<()> {
        match positions.iter().find(|position| **position >= self.labels.len()) {
            None => Ok(()),
            Some(position) => {
                let why = format!(
                    "position {position} is not in split `{}` of {} samples",
                    self.stored.name,
                    self.labels.len()
                );
                Err(Error::invalid("INDEX_OUT_OF_RANGE", "", why))
            }
        }
    }

    /// Copies plain images; neighbours are read together.
    fn read_plain(&self, positions: &[usize]) -> Result<Vec<u8>> {
        let size = self.plain_bytes();
        let mut bytes = vec![0; positions.len() * size];
        let mut rest = bytes.as_mut_slice();
        for run in positions.chunk_by(|a, b| a + 1 == *b) {
            let (target, tail) = rest.split_at_mut(run.len() * size);
            let read = self.images.read_exact_at(target, (run[0] * size) as u64);
            read.map_err(|error| atomic::io_failed("read a dataset", error))?;
            rest = tail;
        }
        Ok(bytes)
    }

    /// One image as it is stored, decoded.
    fn image(&self, position: usize) -> Result<Image> {
        if self.stored.layout == Layout::Plain {
            let shape = self.stored.shape.ok_or_else(|| lost("its images have no shape"))?;
            return Ok(Image { shape, pixels: from_little_endian(self.stored.element, self.read_plain(&[position])?) });
        }
        let (start, end) = (self.offsets[position], self.offsets[position + 1]);
        let mut blob = vec![0; usize::try_from(end - start).map_err(|_| lost("an image is too large"))?];
        self.images.read_exact_at(&mut blob, start).map_err(|error| atomic::io_failed("read a dataset", error))?;
        from_blob(&blob, &self.limits, &Place::Row { file: None, row: position as u64 })
    }

    /// One image as it was asked for.
    fn fitted(&self, position: usize, shape: ImageShape, resize: Resize) -> Result<Pixels> {
        let image = self.image(position)?;
        let (is, wanted) = ((image.shape.height, image.shape.width), (shape.height, shape.width));
        let refused = match resize {
            Resize::None => is != wanted,
            Resize::Bilinear => false,
        };
        if refused {
            let why = format!(
                "image {position} of split `{}` is {}x{} and the model takes {}x{}; set `preprocessing.resize` to BILINEAR",
                self.stored.name, is.0, is.1, wanted.0, wanted.1
            );
            return Err(Error::invalid("IMAGE_SIZE_MISMATCH", "", why));
        }
        Ok(fit(image, shape).pixels)
    }

    /// Fits images in parallel, each into its place of the batch.
    fn read_fitted<T: Copy + Default + Send>(
        &self,
        positions: &[usize],
        shape: ImageShape,
        resize: Resize,
        values: fn(Pixels) -> Option<Vec<T>>,
    ) -> Result<Vec<T>> {
        let mut batch = vec![T::default(); positions.len() * shape.value_count()];
        batch.par_chunks_mut(shape.value_count()).zip(positions).try_for_each(|(place, position)| {
            let image = values(self.fitted(*position, shape, resize)?).filter(|image| image.len() == place.len());
            place.copy_from_slice(&image.ok_or_else(|| lost("an image is not what it was"))?);
            Ok(())
        })?;
        Ok(batch)
    }
}

impl ImageSource for Split {
    fn key(&self) -> &str {
        &self.key
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn read(&self, positions: &[usize], shape: ImageShape, resize: Resize) -> Result<ImageBatch> {
        self.check_positions(positions)?;
        check_shape(shape)?;
        let pixels = if self.stored.layout == Layout::Plain && self.stored.shape == Some(shape) {
            from_little_endian(self.stored.element, self.read_plain(positions)?)
        } else {
            match self.stored.element {
                Stored::Bytes => Pixels::Bytes(self.read_fitted(positions, shape, resize, bytes)?),
                Stored::Floats => Pixels::Floats(self.read_fitted(positions, shape, resize, floats)?),
            }
        };
        Ok(ImageBatch { count: positions.len(), shape, pixels })
    }
}

fn check_shape(shape: ImageShape) -> Result<()> {
    if shape.height > 0 && shape.width > 0 && matches!(shape.channels, 1 | 3) {
        return Ok(());
    }
    let why = format!("images cannot be read as {shape}; the model must take 1 or 3 channels");
    Err(Error::invalid("UNSUPPORTED_IMAGE_SHAPE", "", why))
}

fn bytes(pixels: Pixels) -> Option<Vec<u8>> {
    match pixels {
        Pixels::Bytes(bytes) => Some(bytes),
        Pixels::Floats(_) => None,
    }
}

fn floats(pixels: Pixels) -> Option<Vec<f32>> {
    match pixels {
        Pixels::Floats(floats) => Some(floats),
        Pixels::Bytes(_) => None,
    }
}
