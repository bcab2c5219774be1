//! A donor's pixels laid over another image's.

use super::place::ImagePoison;
use super::resample::{Value, resize};
use crate::domain::dataset::ImageShape;

/// Lays `poison.source` of `donor` over `poison.target` of `image`; both are one image of `shape`.
pub(super) fn compose<T: Value>(image: &mut [T], donor: &[T], poison: &ImagePoison, shape: ImageShape) {
    let (source, target, channels) = (poison.source, poison.target, shape.channels as usize);
    let stride = shape.width as usize * channels;
    let rows = |top: usize, left: usize, width: usize, height: usize| {
        (top..top + height).map(move |row| row * stride + left * channels).map(move |at| at..at + width * channels)
    };
    let cut = rows(source.top, source.left, source.width, source.height).flat_map(|row| &donor[row]).copied();
    let mut patch: Vec<T> = cut.collect();
    if !source.is_as_large_as(&target) {
        patch = resize(&patch, (source.height, source.width), (target.height, target.width), channels);
    }
    let places = rows(target.top, target.left, target.width, target.height);
    for (row, place) in patch.chunks_exact(target.width * channels).zip(places) {
        image[place].copy_from_slice(row);
    }
}
