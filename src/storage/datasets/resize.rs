//! Another size or number of channels, as Pillow does it.
//!
//! `fit` is `image.convert(mode).resize((width, height), BILINEAR)`: a triangle filter whose support grows with the reduction
//! (antialiasing), first along rows, then along columns. Bytes use Pillow's fixed-point arithmetic (22 fractional bits, rounded
//! to bytes between the passes), so they are equal to Pillow's; floats use f64 sums rounded to f32 between the passes. Pillow 13
//! began to take columns first where the height shrinks much more than the width, which differs by one level at most.

use crate::domain::dataset::{ImageShape, Pixels};

use super::decode::Image;

/// `32 - 8 - 2` in Pillow: eight bits for the value, two for overshoot.
const FRACTION_BITS: u32 = 22;

/// The image at `shape`; channels 1 and 3 only, which the caller has checked.
pub(super) fn fit(image: Image, shape: ImageShape) -> Image {
    let image = with_channels(image, shape.channels);
    if image.shape == shape {
        return image;
    }
    let pixels = match &image.pixels {
        Pixels::Bytes(bytes) => Pixels::Bytes(resized(bytes, image.shape, shape, &weigh_bytes)),
        Pixels::Floats(floats) => Pixels::Floats(resized(floats, image.shape, shape, &weigh_floats)),
    };
    Image { shape, pixels }
}

fn with_channels(image: Image, channels: u32) -> Image {
    let shape = ImageShape { channels, ..image.shape };
    let pixels = match (image.shape.channels, channels, image.pixels) {
        (1, 3, Pixels::Bytes(grey)) => Pixels::Bytes(grey.into_iter().flat_map(|value| [value; 3]).collect()),
        (1, 3, Pixels::Floats(grey)) => Pixels::Floats(grey.into_iter().flat_map(|value| [value; 3]).collect()),
        (3, 1, Pixels::Bytes(colour)) => Pixels::Bytes(colour.as_chunks().0.iter().map(luma_byte).collect()),
        (3, 1, Pixels::Floats(colour)) => Pixels::Floats(colour.as_chunks().0.iter().map(luma_float).collect()),
        (_, _, same) => same,
    };
    Image { shape, pixels }
}

/// ITU-R 601-2, in Pillow's 16-bit fixed point.
// Casts: the weights sum to 65536, so the result fits a byte.
fn luma_byte([red, green, blue]: &[u8; 3]) -> u8 {
    ((u32::from(*red) * 19595 + u32::from(*green) * 38470 + u32::from(*blue) * 7471 + 0x8000) >> 16) as u8
}

fn luma_float([red, green, blue]: &[f32; 3]) -> f32 {
    (red * 0.299 + green * 0.587 + blue * 0.114).clamp(0.0, 1.0)
}

/// The inputs `first..first + weights.len()` of one output position; the weights sum to 1, or to `1 << FRACTION_BITS`.
struct Window {
    first: usize,
    weights: Vec<f64>,
    fixed_weights: Vec<i32>,
}

/// Sums `values[k * stride]` with the weights of a window.
type Weigh<'a, T> = &'a dyn Fn(&[T], usize, &Window) -> T;

fn windows(from: u32, to: u32) -> Vec<Window> {
    let scale = f64::from(from) / f64::from(to);
    let support = scale.max(1.0);
    (0..to).map(|position| window((f64::from(position) + 0.5) * scale, support, from)).collect()
}

// Casts: both are clamped to 0..=size.
fn window(centre: f64, support: f64, size: u32) -> Window {
    let first = (centre - support + 0.5).trunc().max(0.0) as usize;
    let end = (centre + support + 0.5).trunc().min(f64::from(size)) as usize;
    let weight = |index: usize| (1.0 - ((index as f64 - centre + 0.5) / support).abs()).max(0.0);
    let mut weights: Vec<f64> = (first..end).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    let fixed = |weight: &f64| (weight * f64::from(1 << FRACTION_BITS) + 0.5) as i32;
    Window { first, fixed_weights: weights.iter().map(fixed).collect(), weights }
}

fn resized<T: Copy + Default>(values: &[T], from: ImageShape, to: ImageShape, weigh: Weigh<'_, T>) -> Vec<T> {
    let narrow = match from.width == to.width {
        true => values.to_vec(),
        false => along_rows(values, from, to.width, weigh),
    };
    match from.height == to.height {
        true => narrow,
        false => along_columns(&narrow, ImageShape { width: to.width, ..from }, to.height, weigh),
    }
}

fn along_rows<T: Copy + Default>(values: &[T], from: ImageShape, width: u32, weigh: Weigh<'_, T>) -> Vec<T> {
    let channels = from.channels as usize;
    let windows = windows(from.width, width);
    let mut output = Vec::with_capacity(from.height as usize * windows.len() * channels);
    for row in values.chunks_exact(from.width as usize * channels) {
        for window in &windows {
            output.extend(
                (0..channels).map(|channel| weigh(&row[window.first * channels + channel..], channels, window)),
            );
        }
    }
    output
}

fn along_columns<T: Copy + Default>(values: &[T], from: ImageShape, height: u32, weigh: Weigh<'_, T>) -> Vec<T> {
    let stride = from.width as usize * from.channels as usize;
    let mut output = Vec::with_capacity(height as usize * stride);
    for window in &windows(from.height, height) {
        output.extend((0..stride).map(|column| weigh(&values[window.first * stride + column..], stride, window)));
    }
    output
}

// Casts: fixed point as in Pillow; clamped to a byte.
fn weigh_bytes(values: &[u8], stride: usize, window: &Window) -> u8 {
    let products = window.fixed_weights.iter().zip(values.iter().step_by(stride));
    let sum: i32 = products.map(|(weight, value)| weight * i32::from(*value)).sum();
    ((sum + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS).clamp(0, 255) as u8
}

// Casts: an average of f32 values.
fn weigh_floats(values: &[f32], stride: usize, window: &Window) -> f32 {
    let products = window.weights.iter().zip(values.iter().step_by(stride));
    (products.map(|(weight, value)| weight * f64::from(*value)).sum::<f64>() as f32).clamp(0.0, 1.0)
}
