//! Padded random crop and horizontal flip of decoded images, each sample by its own random stream of (seed, epoch, position).
//!
//! As torchvision's `RandomCrop(size, padding)` and `RandomHorizontalFlip`: padding is black before normalisation. It works on the
//! decoded pixels, on the reader's thread, where it costs a copy.

use rand::Rng;

use crate::domain::dataset::{ImageBatch, ImageShape, Pixels};
use crate::domain::finetune::Augmentation;
use crate::ml::random::{Purpose, stream};

/// Bits of a stream's index that hold the position; the epoch is above.
const POSITION_BITS: u32 = 40;

/// A batch with every image shifted and flipped as its stream says; `positions` are those in the split.
pub(super) fn augment(
    batch: ImageBatch,
    positions: &[usize],
    augmentation: Augmentation,
    seed: u64,
    epoch: u64,
) -> ImageBatch {
    if augmentation.is_none() {
        return batch;
    }
    let moves: Vec<Move> = positions.iter().map(|&position| Move::draw(augmentation, seed, epoch, position)).collect();
    let pixels = match &batch.pixels {
        Pixels::Bytes(values) => Pixels::Bytes(apply(values, batch.shape, &moves)),
        Pixels::Floats(values) => Pixels::Floats(apply(values, batch.shape, &moves)),
    };
    ImageBatch { pixels, ..batch }
}

/// The crop starts `down` rows and `right` columns into the image (negative: into the padding).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Move {
    down: i64,
    right: i64,
    flip: bool,
}

impl Move {
    fn draw(augmentation: Augmentation, seed: u64, epoch: u64, position: usize) -> Self {
        let mut random = stream(seed, Purpose::Augmentation, epoch << POSITION_BITS | position as u64);
        let padding = i64::from(augmentation.crop_padding);
        let (down, right) = (random.random_range(-padding..=padding), random.random_range(-padding..=padding));
        Self { down, right, flip: augmentation.horizontal_flip && random.random() }
    }
}

fn apply<T: Copy + Default>(values: &[T], shape: ImageShape, moves: &[Move]) -> Vec<T> {
    let mut out = vec![T::default(); values.len()];
    let size = shape.value_count();
    for ((image, out), step) in values.chunks_exact(size).zip(out.chunks_exact_mut(size)).zip(moves) {
        shift(image, out, shape, *step);
        if step.flip {
            flip(out, shape);
        }
    }
    out
}

/// Copies the part of `image` that the crop shows; the rest of `out` stays black.
fn shift<T: Copy>(image: &[T], out: &mut [T], shape: ImageShape, step: Move) {
    let (height, width, channels) = (i64::from(shape.height), i64::from(shape.width), shape.channels as usize);
    let shown = width - step.right.abs();
    if shown <= 0 {
        return;
    }
    let at = |row: i64, column: i64| (row * width + column) as usize * channels;
    for row in 0.max(-step.down)..height.min(height - step.down) {
        let (from, to) = (at(row + step.down, step.right.max(0)), at(row, (-step.right).max(0)));
        let length = shown as usize * channels;
        out[to..to + length].copy_from_slice(&image[from..from + length]);
    }
}

fn flip<T: Copy>(image: &mut [T], shape: ImageShape) {
    let channels = shape.channels as usize;
    for row in image.chunks_exact_mut(shape.width as usize * channels) {
        row.reverse();
        row.chunks_exact_mut(channels).for_each(<[T]>::reverse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { height: 2, width: 3, channels: 2 };

    fn image() -> Vec<u8> {
        (1..=12).collect()
    }

    fn moved(down: i64, right: i64, flip: bool) -> Vec<u8> {
        apply(&image(), SHAPE, &[Move { down, right, flip }])
    }

    #[test]
    fn pixels_move_as_whole_pixels() {
        assert_eq!(moved(0, 0, false), image());
        assert_eq!(moved(1, 0, false), [7, 8, 9, 10, 11, 12, 0, 0, 0, 0, 0, 0]);
        assert_eq!(moved(-1, 1, false), [0, 0, 0, 0, 0, 0, 3, 4, 5, 6, 0, 0]);
        assert_eq!(moved(0, -1, false), [0, 0, 1, 2, 3, 4, 0, 0, 7, 8, 9, 10]);
        assert_eq!(moved(0, 0, true), [5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8]);
        assert_eq!(moved(0, 5, false), [0; 12]);
    }

    #[test]
    fn a_sample_moves_the_same_in_any_batch_and_differently_in_each_epoch() {
        let augmentation = Augmentation { crop_padding: 4, horizontal_flip: true };
        let draw = |epoch, position| Move::draw(augmentation, 7, epoch, position);
        assert_eq!(draw(3, 11), draw(3, 11));
        assert!((0..20).any(|position| draw(0, position) != draw(1, position)));
        let moves: Vec<Move> = (0..2000).map(|position| draw(0, position)).collect();
        let flips = moves.iter().filter(|step| step.flip).count();
        assert!((900..1100).contains(&flips), "{flips} of 2000 flipped");
        for offset in -4..=4 {
            assert!(moves.iter().any(|step| step.down == offset) && moves.iter().any(|step| step.right == offset));
        }
    }
}
