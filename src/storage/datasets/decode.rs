//! From encoded or plain pixels to one form: height x width x (1 or 3) channels, bytes or floats in [0, 1].
//!
//! As `PIL.Image.convert` would: palettes become RGB, alpha is dropped (not blended), 16-bit samples are scaled to 8.
//! Orientation tags are ignored. A JPEG that ends before its picture does is refused; the decoder would fill it with grey.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::{DynamicImage, ImageDecoder, ImageReader};

use crate::domain::dataset::{ImageBatch, ImageShape, Pixels};
use crate::domain::model::Resize;
use crate::domain::{Error, Result};

use super::limits::Limits;
use super::resize::fit;
use super::sample::{Element, Place, PlainImage};

/// One decoded image, rows of pixels of interleaved channels.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) shape: ImageShape,
    pub(super) pixels: Pixels,
}

/// Decodes a JPEG or PNG.
pub(super) fn decode_encoded(bytes: &[u8], limits: &Limits, place: &Place) -> Result<Image> {
    if bytes.len() as u64 > limits.encoded_image_bytes {
        return Err(too_large(place, format!("{} bytes; at most {}", bytes.len(), limits.encoded_image_bytes)));
    }
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(bytes, limits, place)));
    decoded.unwrap_or_else(|_| Err(corrupt(place, "its decoder gave up")))
}

/// Decodes a JPEG or PNG that came with a request to one image of `shape`, resized if `resize` says so.
///
/// # Errors
/// `CORRUPT_IMAGE` and the like; `IMAGE_SIZE_MISMATCH`.
pub fn decode_inline(bytes: &[u8], shape: ImageShape, resize: Resize) -> Result<ImageBatch> {
    let image = decode_encoded(bytes, &Limits::default(), &Place::Request)?;
    let given = image.shape;
    let same_size = (given.height, given.width) == (shape.height, shape.width);
    if !same_size && resize == Resize::None {
        let description =
            format!("the image is {given}, the model takes {shape}; resize it, or load the model with resizing");
        return Err(Error::invalid("IMAGE_SIZE_MISMATCH", "", description));
    }
    Ok(ImageBatch { count: 1, shape, pixels: fit(image, shape).pixels })
}

fn decode(bytes: &[u8], limits: &Limits, place: &Place) -> Result<Image> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| corrupt(place, error))?;
    match reader.format() {
        Some(image::ImageFormat::Jpeg) if !jpeg_is_complete(bytes) => {
            return Err(corrupt(place, "the JPEG is cut off"));
        }
        Some(image::ImageFormat::Jpeg | image::ImageFormat::Png) => {}
        Some(_) | None => return Err(corrupt(place, "neither JPEG nor PNG")),
    }
    let decoder = reader.into_decoder().map_err(|error| corrupt(place, error))?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, limits, place)?;
    let image = DynamicImage::from_decoder(decoder).map_err(|error| corrupt(place, error))?;
    Ok(interleaved(image))
}

fn interleaved(image: DynamicImage) -> Image {
    let (height, width) = (image.height(), image.width());
    let (channels, bytes) = match image.color().has_color() {
        false => (1, image.into_luma8().into_raw()),
        true => (3, image.into_rgb8().into_raw()),
    };
    Image { shape: ImageShape { height, width, channels }, pixels: Pixels::Bytes(bytes) }
}

fn check_size(width: u32, height: u32, limits: &Limits, place: &Place) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if width == 0 || height == 0 {
        return Err(corrupt(place, "it has no pixels"));
    }
    if width.max(height) > limits.image_side || pixels > limits.image_pixels {
        let most = format!("at most {} pixels and {} a side", limits.image_pixels, limits.image_side);
        return Err(too_large(place, format!("{height}x{width}; {most}")));
    }
    Ok(())
}

/// Whether the last scan is followed by an end marker. (Inside a scan, 0xFF is never followed by either marker's code.)
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let last = |code: u8| bytes.windows(2).rposition(|pair| pair == [0xFF, code]);
    matches!((last(0xDA), last(0xD9)), (Some(scan), Some(end)) if scan < end)
}

/// Checks the pixels of a tensor or table and interleaves their channels.
pub(super) fn decode_plain(image: &PlainImage, place: &Place) -> Result<Image> {
    let shape = image.shape;
    debug_assert_eq!(image.bytes.len(), shape.value_count() * image.element.byte_count());
    let pixels = match image.element {
        Element::U8 => Pixels::Bytes(interleave(&image.bytes, shape, image.planar)),
        Element::F32 => {
            Pixels::Floats(interleave(&checked_floats(&image.bytes, f32_at, image, place)?, shape, image.planar))
        }
        Element::F64 => {
            Pixels::Floats(interleave(&checked_floats(&image.bytes, f64_at, image, place)?, shape, image.planar))
        }
    };
    Ok(Image { shape, pixels })
}

fn interleave<T: Copy>(values: &[T], shape: ImageShape, planar: bool) -> Vec<T> {
    if !planar || shape.channels == 1 {
        return values.to_vec();
    }
    let area = shape.height as usize * shape.width as usize;
    (0..area).flat_map(|pixel| values[pixel..].iter().step_by(area).copied()).collect()
}

fn f32_at(bytes: &[u8]) -> f64 {
    f64::from(f32::from_le_bytes(bytes.try_into().expect("chunks of four bytes")))
}

fn f64_at(bytes: &[u8]) -> f64 {
    f64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"))
}

fn checked_floats(bytes: &[u8], value_at: fn(&[u8]) -> f64, image: &PlainImage, place: &Place) -> Result<Vec<f32>> {
    let values = bytes.chunks_exact(image.element.byte_count()).map(value_at).enumerate();
    values.map(|(index, value)| checked_float(value, index, image, place)).collect()
}

// Casts: a value in [0, 1] is rounded to f32.
fn checked_float(value: f64, index: usize, image: &PlainImage, place: &Place) -> Result<f32> {
    if (0.0..=1.0).contains(&value) {
        return Ok(value as f32);
    }
    let (row, column, channel) = position(index, image);
    let at = format!("{place} at row {row}, column {column}, channel {channel}");
    Err(if value.is_finite() {
        let remedy = "floats must be in [0, 1]: divide by the largest value, or store bytes";
        Error::invalid("PIXEL_OUT_OF_RANGE", "", format!("{at} is {value}; {remedy}"))
    } else {
        Error::invalid(
            "NON_FINITE_PIXELS",
            "",
            format!("{at} is {value}; pixels must be finite, mend the file and register again"),
        )
    })
}

fn position(index: usize, image: &PlainImage) -> (usize, usize, usize) {
    let (height, width) = (image.shape.height as usize, image.shape.width as usize);
    let channels = image.shape.channels as usize;
    let (pixel, channel) = match image.planar {
        true => (index % (height * width), index / (height * width)),
        false => (index / channels, index % channels),
    };
    (pixel / width, pixel % width, channel)
}

fn corrupt(place: &Place, why: impl std::fmt::Display) -> Error {
    Error::invalid(
        "CORRUPT_IMAGE",
        "",
        format!("the image in {place} cannot be decoded: {why}; mend or remove it and register again"),
    )
}

pub(super) fn too_large(place: &Place, why: impl std::fmt::Display) -> Error {
    Error::invalid("IMAGE_TOO_LARGE", "", format!("the image in {place} is too large: {why}"))
}
