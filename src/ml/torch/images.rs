//! Decoded images to what a model takes.

use tch::{Device, Kind, TchError, Tensor};

use super::{NoGrad, torch_error};
use crate::domain::dataset::{ImageBatch, Pixels};
use crate::domain::model::Preprocessing;
use crate::domain::{Error, Result};

/// The batch as f32 `[N,C,H,W]`: pixels in [0, 1], then `(x - mean) / std` per channel. The decoder gives channels
/// innermost and so they stay in memory (channels_last), which costs nothing and is what convolutions like best.
/// Whatever `Preprocessing::layout` says, the shape is NCHW; `Backbone` permutes for models that take NHWC.
pub fn images_to_tensor(images: &ImageBatch, preprocessing: &Preprocessing, device: Device) -> Result<Tensor> {
    check_shape(images, preprocessing)?;
    let _guard = NoGrad::enter();
    let (pixels, unit) = upload(images, device)?;
    normalise(&pixels, unit, preprocessing).map_err(torch_error("normalise the images"))
}

fn check_shape(images: &ImageBatch, preprocessing: &Preprocessing) -> Result<()> {
    let Preprocessing { height, width, channels, .. } = *preprocessing;
    let shape = images.shape;
    if (shape.height, shape.width, shape.channels) != (height, width, channels) {
        let description = format!("images are {shape}, the model takes {height}x{width}x{channels}");
        return Err(Error::invalid("IMAGE_SIZE_MISMATCH", "images", description));
    }
    let (found, wanted) = (images.pixels.len(), images.count * shape.value_count());
    if found != wanted {
        let description = format!("{} images of {shape} have {wanted} values, got {found}", images.count);
        return Err(Error::invalid("IMAGE_SIZE_MISMATCH", "images", description));
    }
    Ok(())
}

/// The values as they are `[N,H,W,C]`, and the value that stands for full intensity.
fn upload(images: &ImageBatch, device: Device) -> Result<(Tensor, f64)> {
    let shape = images.shape;
    let size = [images.count as i64, i64::from(shape.height), i64::from(shape.width), i64::from(shape.channels)];
    let (values, unit) = match &images.pixels {
        Pixels::Bytes(bytes) => (Tensor::f_from_slice(bytes), 255.0),
        Pixels::Floats(floats) => {
            if let Some(position) = floats.iter().position(|value| !value.is_finite()) {
                let description = format!("image {} has a value that is not finite", position / shape.value_count());
                return Err(Error::invalid("NON_FINITE_PIXELS", "images", description));
            }
            (Tensor::f_from_slice(floats), 1.0)
        }
    };
    let values = values.and_then(|values| values.f_view(size)?.f_to_device(device));
    Ok((values.map_err(torch_error("copy the images"))?, unit))
}

/// `(x / unit - mean) / std` as one product and one difference, in NHWC memory.
fn normalise(pixels: &Tensor, unit: f64, preprocessing: &Preprocessing) -> std::result::Result<Tensor, TchError> {
    let channels = preprocessing.channels as usize;
    let at = |values: &[f32], channel, default| values.get(channel).map_or(default, |&value| f64::from(value));
    let (mut scale, mut shift) = (Vec::new(), Vec::new());
    for channel in 0..channels {
        let (mean, std) = (at(&preprocessing.mean, channel, 0.0), at(&preprocessing.std, channel, 1.0));
        scale.push((1.0 / (unit * std)) as f32);
        shift.push((mean / std) as f32);
    }
    let mut values = pixels.f_to_dtype(Kind::Float, false, true)?;
    let device = values.device();
    let mut values = values.f_mul_(&Tensor::f_from_slice(&scale)?.f_to_device(device)?)?;
    let values = values.f_sub_(&Tensor::f_from_slice(&shift)?.f_to_device(device)?)?;
    values.f_permute([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dataset::ImageShape;
    use crate::domain::model::{Layout, Resize};

    fn preprocessing(mean: Vec<f32>, std: Vec<f32>) -> Preprocessing {
        Preprocessing { height: 1, width: 2, channels: 3, mean, std, layout: Layout::Nchw, resize: Resize::None }
    }

    fn batch(pixels: Pixels) -> ImageBatch {
        ImageBatch { count: 1, shape: ImageShape { height: 1, width: 2, channels: 3 }, pixels }
    }

    #[test]
    fn bytes_become_normalised_planes() {
        let images = batch(Pixels::Bytes(vec![0, 51, 255, 255, 102, 0]));
        let tensor =
            images_to_tensor(&images, &preprocessing(vec![0.5, 0.0, 0.25], vec![0.5, 2.0, 0.25]), Device::Cpu).unwrap();
        assert_eq!(tensor.size(), [1, 3, 1, 2]);
        let expected = Tensor::from_slice(&[-1.0_f32, 1.0, 0.1, 0.2, 3.0, -1.0]);
        assert!((tensor.reshape([6]) - expected).abs().max().double_value(&[]) < 1e-6);
    }

    #[test]
    fn floats_are_taken_as_they_are_and_must_be_finite() {
        let images = batch(Pixels::Floats(vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5]));
        let tensor = images_to_tensor(&images, &preprocessing(vec![], vec![]), Device::Cpu).unwrap();
        let found: Vec<f32> = Vec::try_from(tensor.reshape([6])).unwrap();
        assert_eq!(found, [0.0, 0.3, 0.1, 0.4, 0.2, 0.5]);
        let images = batch(Pixels::Floats(vec![0.0, 0.1, f32::NAN, 0.3, 0.4, 0.5]));
        let error = images_to_tensor(&images, &preprocessing(vec![], vec![]), Device::Cpu).unwrap_err();
        assert_eq!(error.reason, "NON_FINITE_PIXELS");
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let mut images = batch(Pixels::Bytes(vec![0; 5]));
        let none = preprocessing(vec![], vec![]);
        assert_eq!(images_to_tensor(&images, &none, Device::Cpu).unwrap_err().reason, "IMAGE_SIZE_MISMATCH");
        images.shape.width = 3;
        assert_eq!(images_to_tensor(&images, &none, Device::Cpu).unwrap_err().reason, "IMAGE_SIZE_MISMATCH");
    }
}
