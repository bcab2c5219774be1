//! Rendered examples as a source of images, so that vectors are learnt on them as on any dataset.

use std::ops::Range;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::render;
use crate::domain::dataset::{ImageBatch, ImageShape, ImageSource, Pixels};
use crate::domain::error::{Error, Result};
use crate::domain::model::Resize;

/// Position `(concept * 2 + side) * per_side + index`; side 0 is positive. Labels are 0.
#[derive(Debug)]
pub struct RenderedExamples {
    names: Vec<&'static str>,
    per_side: usize,
    seed: u64,
    key: String,
    labels: Vec<u32>,
}

impl RenderedExamples {
    pub fn new(names: &[&'static str], per_side: usize, seed: u64) -> Self {
        let labels = vec![0; names.len() * 2 * per_side];
        Self { names: names.to_vec(), per_side, seed, key: key(names, per_side, seed), labels }
    }

    /// Positions of one side of a concept.
    pub fn positions(&self, concept: usize, positive: bool) -> Range<usize> {
        let start = (concept * 2 + usize::from(!positive)) * self.per_side;
        start..start + self.per_side
    }

    fn image(&self, position: usize, shape: ImageShape) -> Vec<u8> {
        let (side, index) = (position / self.per_side, position % self.per_side);
        render(self.names[side / 2], side.is_multiple_of(2), index, self.seed, shape)
    }

    fn check(&self, positions: &[usize], shape: ImageShape) -> Result<()> {
        if let Some(position) = positions.iter().find(|position| **position >= self.labels.len()) {
            return Err(Error::internal(format!("no rendered example {position} of {}", self.labels.len())));
        }
        check_shape(shape)
    }
}

impl ImageSource for RenderedExamples {
    fn key(&self) -> &str {
        &self.key
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Renders at the shape asked for, so there is nothing to resize.
    fn read(&self, positions: &[usize], shape: ImageShape, _resize: Resize) -> Result<ImageBatch> {
        self.check(positions, shape)?;
        let mut pixels = vec![0; positions.len() * shape.value_count()];
        pixels
            .par_chunks_exact_mut(shape.value_count())
            .zip(positions)
            .for_each(|(pixels, &position)| pixels.copy_from_slice(&self.image(position, shape)));
        Ok(ImageBatch { count: positions.len(), shape, pixels: Pixels::Bytes(pixels) })
    }
}

/// Whether concepts can be drawn for a model of this input.
///
/// # Errors
/// `CONCEPTS_NOT_DRAWABLE`.
pub fn check_shape(shape: ImageShape) -> Result<()> {
    match shape {
        ImageShape { channels: 1 | 3, height: 8.., width: 8.. } => Ok(()),
        ImageShape { .. } => Err(Error::failed_precondition(
            "CONCEPTS_NOT_DRAWABLE",
            format!(
                "the built-in concepts are drawn from 8x8 pixels up with 1 or 3 channels, the model takes {shape}; learn a bank from \
                 examples of your own"
            ),
        )),
    }
}

fn key(names: &[&str], per_side: usize, seed: u64) -> String {
    let digest = Sha256::digest(format!("{} {per_side} {seed}", names.join(",")));
    let hash: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("procedural:v1:{hash}")
}
