//! Images for people to look at, as PNG.

use std::io::Cursor;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::domain::attribution::Attribution;
use crate::domain::dataset::{ImageBatch, Pixels};
use crate::domain::{Error, Result};

/// Image `index` of a batch of one, three or four channels.
///
/// # Errors
/// `NO_PICTURE` for another number of channels, which no picture format shows.
pub fn png(batch: &ImageBatch, index: usize) -> Result<Vec<u8>> {
    let (shape, size) = (batch.shape, batch.shape.value_count());
    let bytes: Vec<u8> = match &batch.pixels {
        Pixels::Bytes(bytes) => bytes[index * size..][..size].to_vec(),
        Pixels::Floats(floats) => floats[index * size..][..size].iter().map(|value| to_byte(*value)).collect(),
    };
    encode(&bytes, shape.width, shape.height, shape.channels)
}

/// Rows of `width` pixels of `channels` bytes.
pub fn encode(bytes: &[u8], width: u32, height: u32, channels: u32) -> Result<Vec<u8>> {
    let color = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        4 => ExtendedColorType::Rgba8,
        _ => {
            let message = format!("images of {channels} channels cannot be shown; 1, 3 or 4 can");
            return Err(Error::failed_precondition("NO_PICTURE", message));
        }
    };
    let mut png = Cursor::new(Vec::new());
    PngEncoder::new(&mut png)
        .write_image(bytes, width, height, color)
        .map_err(|error| Error::internal("an image could not be encoded").with_source(error))?;
    Ok(png.into_inner())
}

/// Side of a heat map at least, in pixels, so that small images can be seen.
const LEAST_SIDE: u32 = 160;
/// Share of the values that are within the colour scale; the rest is as strong as the scale goes.
const WITHIN_SCALE: f64 = 0.99;

/// The image in grey under red (for the class) and blue (against it), enlarged where it is small.
///
/// The colour's strength is the sum over the channels by the 99th percentile of its magnitude.
pub fn heat_map(attribution: &Attribution, batch: &ImageBatch, index: usize) -> Result<Vec<u8>> {
    let (shape, cells) = (batch.shape, (batch.shape.height * batch.shape.width) as usize);
    let sums: Vec<f32> = (0..cells).map(|cell| attribution.values.iter().skip(cell).step_by(cells).sum()).collect();
    let scale = scale(&sums);
    let grey = greys(batch, index);
    let factor = LEAST_SIDE.div_ceil(shape.height.min(shape.width).max(1));
    let (width, height) = (shape.width * factor, shape.height * factor);
    let pixel = |x: u32, y: u32| {
        let cell = (y / factor * shape.width + x / factor) as usize;
        tinted(grey[cell], sums[cell] / scale)
    };
    let bytes: Vec<u8> = (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect();
    encode(&bytes, width, height, 3)
}

fn scale(sums: &[f32]) -> f32 {
    let mut magnitudes: Vec<f32> = sums.iter().map(|sum| sum.abs()).collect();
    magnitudes.sort_unstable_by(f32::total_cmp);
    let at = ((magnitudes.len() as f64 * WITHIN_SCALE) as usize).min(magnitudes.len().saturating_sub(1));
    magnitudes.get(at).copied().filter(|scale| *scale > 0.0).unwrap_or(1.0)
}

/// Mean of the channels of each pixel, in [0, 1].
fn greys(batch: &ImageBatch, index: usize) -> Vec<f32> {
    let (channels, size) = (batch.shape.channels.max(1) as usize, batch.shape.value_count());
    let mean = |values: &[f32]| values.iter().sum::<f32>() / channels as f32;
    match &batch.pixels {
        Pixels::Floats(floats) => floats[index * size..][..size].chunks_exact(channels).map(mean).collect(),
        Pixels::Bytes(bytes) => {
            let floats: Vec<f32> = bytes[index * size..][..size].iter().map(|byte| f32::from(*byte) / 255.0).collect();
            floats.chunks_exact(channels).map(mean).collect()
        }
    }
}

/// Grey under red (above 0) or blue (below), by strength up to 1.
fn tinted(grey: f32, strength: f32) -> [u8; 3] {
    let colour = if strength > 0.0 { [0.85, 0.1, 0.1] } else { [0.1, 0.25, 0.9] };
    let share = strength.abs().min(1.0);
    colour.map(|colour| to_byte(grey * (1.0 - share) + colour * share))
}

fn to_byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dataset::ImageShape;

    #[test]
    fn bytes_and_floats_of_an_image_come_back_from_its_png() {
        let shape = ImageShape { height: 1, width: 2, channels: 3 };
        let values = vec![0, 1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 255];
        let floats = values.iter().map(|value| f32::from(*value) / 255.0).collect();
        for pixels in [Pixels::Bytes(values.clone()), Pixels::Floats(floats)] {
            let png = png(&ImageBatch { count: 2, shape, pixels }, 1).unwrap();
            assert_eq!(image::load_from_memory(&png).unwrap().to_rgb8().into_raw(), values[6..]);
        }
    }

    #[test]
    fn two_channels_make_no_picture() {
        assert_eq!(encode(&[0, 0], 1, 1, 2).unwrap_err().reason, "NO_PICTURE");
    }
}
