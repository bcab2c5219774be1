//! What is explained: one image and the class whose output counts.

use tch::{Device, Tensor};

use super::validate::validate_target;
use crate::domain::dataset::ImageBatch;
use crate::domain::model::ModelSpec;
use crate::domain::{Error, Result};
use crate::ml::torch::{images_to_tensor, torch_error};

/// One input. Its attribution depends on it, the options and the model alone, never on the items beside it.
#[derive(Debug)]
pub struct Item {
    /// `[1,C,H,W]`, normalised, f32.
    pub(super) input: Tensor,
    /// The class explained; absent: the predicted one.
    pub(super) target: Option<u32>,
    /// Index of its random streams: equal (seed, stream) give equal noise, wherever the item is in a batch.
    pub(super) stream: u64,
}

impl Item {
    /// An input that is normalised already, `[1,C,H,W]` or `[C,H,W]`.
    pub fn new(input: &Tensor, target: Option<u32>, stream: u64, spec: &ModelSpec) -> Result<Self> {
        validate_target(target, spec)?;
        let image = &spec.preprocessing;
        let size = [1, image.channels, image.height, image.width].map(i64::from);
        if input.numel() as i64 != size.iter().product::<i64>() || !input.size().ends_with(&size[1..]) {
            let description = format!("an input has shape {:?}, the model takes {size:?}", input.size());
            return Err(Error::invalid("IMAGE_SIZE_MISMATCH", "images", description));
        }
        let input = input.f_detach().and_then(|input| input.f_view(size)).map_err(torch_error("take the input"))?;
        Ok(Self { input, target, stream })
    }

    /// The same item once more, sharing its image.
    pub fn share(&self) -> Self {
        Self { input: self.input.shallow_clone(), target: self.target, stream: self.stream }
    }

    /// The images of a batch, pixels in [0, 1], with a target each. Item `i` has stream `first_stream + i`.
    pub fn from_images(
        images: &ImageBatch,
        targets: &[Option<u32>],
        first_stream: u64,
        spec: &ModelSpec,
        device: Device,
    ) -> Result<Vec<Self>> {
        if targets.len() != images.count {
            let description = format!("{} targets for {} images; give one for each", targets.len(), images.count);
            return Err(Error::invalid("TARGET_COUNT_MISMATCH", "targets", description));
        }
        let batch = images_to_tensor(images, &spec.preprocessing, device)?;
        let rows = (0..).zip(targets).zip(first_stream..);
        let item = |((row, target), stream): ((i64, &Option<u32>), u64)| {
            let input = batch.f_narrow(0, row, 1).map_err(torch_error("take the input"))?;
            Self::new(&input, *target, stream, spec)
        };
        rows.map(item).collect()
    }
}
