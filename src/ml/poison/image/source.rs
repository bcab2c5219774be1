//! A split with poisoned copies of some of its images after it.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::compose::compose;
use super::geometry::Rect;
use super::place::ImagePoison;
use super::resample::Value;
use crate::domain::dataset::{ImageBatch, ImageShape, ImageSource, Pixels};
use crate::domain::model::Resize;
use crate::domain::{Error, Result};

/// Positions below `base.len()` are the base's images, unchanged; position `base.len() + i` is poison `i`, composed when it is read,
/// with the label of the image it was made of. So whatever is cached about the base stays true of it.
#[derive(Debug)]
pub struct PoisonedImages {
    base: Arc<dyn ImageSource>,
    poisons: Vec<ImagePoison>,
    key: String,
    labels: Vec<u32>,
}

impl PoisonedImages {
    /// # Panics
    /// If a poisoned position is not in `base`.
    pub fn new(base: Arc<dyn ImageSource>, poisons: Vec<ImagePoison>) -> Self {
        let appended = poisons.iter().map(|poison| base.labels()[poison.position]);
        let labels = base.labels().iter().copied().chain(appended).collect();
        let key = format!("{}+poison:{}", base.key(), fingerprint(&poisons));
        Self { base, poisons, key, labels }
    }

    /// Where the poisoned image of each poisoned position is.
    pub fn appended_positions(&self) -> HashMap<usize, usize> {
        self.poisons.iter().zip(self.base.len()..).map(|(poison, appended)| (poison.position, appended)).collect()
    }

    /// The poison of a position, or none for the base's own.
    fn poison(&self, position: usize) -> Option<&ImagePoison> {
        position.checked_sub(self.base.len()).and_then(|index| self.poisons.get(index))
    }

    fn check(&self, positions: &[usize], shape: ImageShape) -> Result<()> {
        if let Some(outside) = positions.iter().find(|position| **position >= self.len()) {
            return Err(Error::internal(format!("sample {outside} was read of {}", self.len())));
        }
        let mut poisons = positions.iter().filter_map(|&position| self.poison(position));
        match poisons.all(|poison| poison.source.is_inside(shape) && poison.target.is_inside(shape)) {
            true => Ok(()),
            false => Err(Error::internal(format!("patches were placed for images larger than {shape}"))),
        }
    }
}

impl ImageSource for PoisonedImages {
    fn key(&self) -> &str {
        &self.key
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Reads the images and, after them, the donors they need: one read of the base.
    fn read(&self, positions: &[usize], shape: ImageShape, resize: Resize) -> Result<ImageBatch> {
        self.check(positions, shape)?;
        let poisons: Vec<Option<&ImagePoison>> = positions.iter().map(|&position| self.poison(position)).collect();
        let own = poisons.iter().zip(positions).map(|(poison, &position)| poison.map_or(position, |p| p.position));
        let donors = poisons.iter().flatten().map(|poison| poison.donor);
        let wanted: Vec<usize> = own.chain(donors).collect();
        let mut batch = self.base.read(&wanted, shape, resize)?;
        match &mut batch.pixels {
            Pixels::Bytes(bytes) => compose_all(bytes, &poisons, shape),
            Pixels::Floats(floats) => compose_all(floats, &poisons, shape),
        }
        batch.count = positions.len();
        Ok(batch)
    }
}

/// Composes the images of `poisons` with the donors behind them, which are dropped.
fn compose_all<T: Value>(pixels: &mut Vec<T>, poisons: &[Option<&ImagePoison>], shape: ImageShape) {
    let size = shape.value_count();
    let (images, donors) = pixels.split_at_mut(poisons.len() * size);
    let poisoned = images.chunks_exact_mut(size).zip(poisons).filter_map(|(image, poison)| Some((image, (*poison)?)));
    for ((image, poison), donor) in poisoned.zip(donors.chunks_exact(size)) {
        compose(image, donor, poison, shape);
    }
    pixels.truncate(poisons.len() * size);
}

/// SHA-256 over positions, donors and places.
fn fingerprint(poisons: &[ImagePoison]) -> String {
    let mut hash = Sha256::new();
    for poison in poisons {
        let Rect { top, left, height, width } = poison.source;
        let target = poison.target;
        let numbers = [poison.position, poison.donor, top, left, height, width].into_iter().chain([
            target.top,
            target.left,
            target.height,
            target.width,
        ]);
        numbers.for_each(|number| hash.update((number as u64).to_le_bytes()));
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests;
