//! Images of a request: encoded, as pixels, or samples of datasets; as one batch of the model's shape.

use std::sync::Arc;

use super::super::core::Core;
use super::super::requests::InputImage;
use super::super::sources::input_shape;
use crate::domain::dataset::{ImageBatch, ImageShape, ImageSource, Pixels};
use crate::domain::model::{ModelSpec, Resize};
use crate::domain::{Error, Result};
use crate::storage::datasets::{Split, decode_inline};

/// An image that is known to exist.
#[derive(Debug)]
pub(super) enum Found {
    Encoded(Vec<u8>),
    Pixels(Vec<f32>),
    Sample(Arc<Split>, usize),
}

impl Core {
    pub(super) async fn found(&self, image: InputImage) -> Result<Found> {
        Ok(match image {
            InputImage::Encoded(bytes) => Found::Encoded(bytes),
            InputImage::Pixels(values) => Found::Pixels(values),
            InputImage::Sample { source, index } => {
                let dataset = self.open_images(&source.dataset).await?;
                let split = dataset.split(&source.split).map_err(|error| error.under("sample.source"))?;
                let position = usize::try_from(index).ok().filter(|position| *position < split.len());
                let position = position.ok_or_else(|| {
                    let description = format!("{index} is not in 0..{}", split.len());
                    Error::invalid("INDEX_OUT_OF_RANGE", "sample.index", description)
                })?;
                Found::Sample(split, position)
            }
        })
    }
}

/// Errors name `inputs[i]` and the field below.
pub(super) fn batch(images: Vec<Found>, model: &ModelSpec) -> Result<ImageBatch> {
    let (shape, resize) = (input_shape(model), model.preprocessing.resize);
    let count = images.len();
    let one = |(index, image)| {
        decoded(image, shape, resize)
            .map(|batch| batch.pixels)
            .map_err(|error| error.under(&format!("inputs[{index}]")))
    };
    let pixels = images.into_iter().enumerate().map(one).collect::<Result<Vec<Pixels>>>()?;
    Ok(ImageBatch { count, shape, pixels: joined(pixels) })
}

fn decoded(image: Found, shape: ImageShape, resize: Resize) -> Result<ImageBatch> {
    match image {
        Found::Encoded(bytes) => decode_inline(&bytes, shape, resize).map_err(|error| error.about("encoded")),
        Found::Pixels(values) => plain(values, shape).map_err(|error| error.under("pixels.values")),
        Found::Sample(split, position) => split.read(&[position], shape, resize).map_err(|error| error.about("sample")),
    }
}

fn plain(values: Vec<f32>, shape: ImageShape) -> Result<ImageBatch> {
    if values.len() != shape.value_count() {
        let description = format!("{} values, an image of {shape} has {}", values.len(), shape.value_count());
        return Err(Error::invalid("IMAGE_SIZE_MISMATCH", "", description));
    }
    if let Some(index) = values.iter().position(|value| !(0.0..=1.0).contains(value)) {
        let description = format!("value {index} is {}; pixels are numbers in [0, 1]", values[index]);
        return Err(Error::invalid("INVALID_PIXELS", "", description));
    }
    Ok(ImageBatch { count: 1, shape, pixels: Pixels::Floats(values) })
}

/// Bytes where all are, else floats.
fn joined(pixels: Vec<Pixels>) -> Pixels {
    let bytes = |pixels: &Pixels| match pixels {
        Pixels::Bytes(bytes) => Some(bytes.clone()),
        Pixels::Floats(_) => None,
    };
    let floats = |pixels: Pixels| match pixels {
        Pixels::Bytes(bytes) => bytes.into_iter().map(|value| f32::from(value) / 255.0).collect(),
        Pixels::Floats(floats) => floats,
    };
    match pixels.iter().map(bytes).collect::<Option<Vec<_>>>() {
        Some(bytes) => Pixels::Bytes(bytes.concat()),
        None => Pixels::Floats(pixels.into_iter().map(floats).collect::<Vec<_>>().concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape { height: 1, width: 2, channels: 1 };

    #[test]
    fn bytes_and_floats_join_as_floats() {
        let mixed = vec![Pixels::Bytes(vec![0, 255]), Pixels::Floats(vec![0.5, 0.25])];
        assert!(matches!(joined(mixed), Pixels::Floats(values) if values == [0.0, 1.0, 0.5, 0.25]));
        let bytes = vec![Pixels::Bytes(vec![1, 2]), Pixels::Bytes(vec![3, 4])];
        assert!(matches!(joined(bytes), Pixels::Bytes(values) if values == [1, 2, 3, 4]));
    }

    #[test]
    fn pixels_are_counted_and_bounded() {
        assert_eq!(plain(vec![0.0], SHAPE).unwrap_err().reason, "IMAGE_SIZE_MISMATCH");
        assert_eq!(plain(vec![0.0, 1.5], SHAPE).unwrap_err().reason, "INVALID_PIXELS");
        assert_eq!(plain(vec![0.0, f32::NAN], SHAPE).unwrap_err().reason, "INVALID_PIXELS");
        assert!(plain(vec![0.0, 1.0], SHAPE).is_ok());
    }
}
