//! Some samples of a split, under the model's view of their classes, as an image source of their own.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::domain::dataset::{ImageBatch, ImageShape, ImageSource};
use crate::domain::model::Resize;
use crate::domain::{Error, Result};

#[derive(Debug)]
pub(super) struct Part {
    whole: Arc<dyn ImageSource>,
    key: String,
    positions: Vec<usize>,
    labels: Vec<u32>,
}

impl Part {
    /// Sample `i` is the one at `positions[i]`, of class `labels[i]`. All samples in order keep the split's key: what is derived
    /// from images alone is shared with it.
    pub(super) fn new(whole: Arc<dyn ImageSource>, positions: Vec<usize>, labels: Vec<u32>) -> Result<Self> {
        if positions.len() != labels.len() || positions.iter().any(|&position| position >= whole.len()) {
            return Err(Error::internal("positions and labels do not fit the split"));
        }
        let is_whole = positions.iter().copied().eq(0..whole.len());
        let key = if is_whole { whole.key().to_owned() } else { part_key(whole.key(), &positions) };
        Ok(Self { whole, key, positions, labels })
    }
}

fn part_key(whole: &str, positions: &[usize]) -> String {
    let mut hash = Sha256::new();
    positions.iter().for_each(|&position| hash.update((position as u64).to_le_bytes()));
    format!("{whole}[{:x}]", hash.finalize())
}

impl ImageSource for Part {
    fn key(&self) -> &str {
        &self.key
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn read(&self, positions: &[usize], shape: ImageShape, resize: Resize) -> Result<ImageBatch> {
        let positions: Vec<usize> = positions.iter().map(|&position| self.positions[position]).collect();
        self.whole.read(&positions, shape, resize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dataset::Pixels;

    /// Images of one pixel, whose value is their position.
    #[derive(Debug)]
    struct Numbered(Vec<u32>);

    impl ImageSource for Numbered {
        fn key(&self) -> &str {
            "numbered"
        }

        fn labels(&self) -> &[u32] {
            &self.0
        }

        fn read(&self, positions: &[usize], shape: ImageShape, _: Resize) -> Result<ImageBatch> {
            let pixels = positions.iter().map(|&position| u8::try_from(position).unwrap()).collect();
            Ok(ImageBatch { count: positions.len(), shape, pixels: Pixels::Bytes(pixels) })
        }
    }

    fn part(positions: &[usize]) -> Result<Part> {
        Part::new(Arc::new(Numbered(vec![0; 4])), positions.to_vec(), vec![7; positions.len()])
    }

    #[test]
    fn reads_the_samples_meant() {
        let shape = ImageShape { height: 1, width: 1, channels: 1 };
        let batch = part(&[3, 0, 2]).unwrap().read(&[0, 2], shape, Resize::None).unwrap();
        assert!(matches!(batch.pixels, Pixels::Bytes(bytes) if bytes == [3, 2]));
    }

    #[test]
    fn only_the_whole_split_keeps_its_key() {
        assert_eq!(part(&[0, 1, 2, 3]).unwrap().key(), "numbered");
        let keys: Vec<String> = [&[0, 1][..], &[1, 0], &[0]].map(|positions| part(positions).unwrap().key).into();
        assert!(keys.iter().all(|key| key.starts_with("numbered[")));
        assert!(keys[0] != keys[1] && keys[0] != keys[2]);
        assert_eq!(part(&[4]).unwrap_err().reason, "INTERNAL");
    }
}
