//! One sample on its way from the source to the store: decoded, checked and hashed on a worker thread.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::domain::dataset::{ImageShape, Pixels};
use crate::domain::{Error, Result};

use super::decode::{Image, decode_encoded, decode_plain, too_large};
use super::limits::Limits;
use super::manifest::{Layout, Stored};
use super::sample::{Place, RawImage, RawLabel, RawSample};

/// A sample ready to be written.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) place: Place,
    pub(super) shape: ImageShape,
    pub(super) element: Stored,
    /// Whether it came as JPEG or PNG.
    pub(super) was_encoded: bool,
    /// SHA-256 over height, width, channels, element and the decoded pixels, whatever the layout.
    pub(super) digest: [u8; 32],
    /// As the layout wants it; empty where the plain layout cannot take it.
    pub(super) stored: Vec<u8>,
    pub(super) label: RawLabel,
    pub(super) columns: Vec<String>,
}

/// How an image of the encoded layout is stored: the first word of its header.
pub(super) const ENCODED: u32 = 0;
pub(super) const PLAIN_BYTES: u32 = 1;
pub(super) const PLAIN_FLOATS: u32 = 2;
pub(super) const BLOB_HEADER_BYTES: usize = 16;

/// In the plain layout, pixels of another shape than `first` are dropped at once: the pass is going to begin again.
pub(super) fn prepare(
    sample: RawSample,
    layout: Layout,
    first: Option<(ImageShape, Stored)>,
    limits: &Limits,
) -> Result<Prepared> {
    let RawSample { place, image, label, columns } = sample;
    let (image, encoded) = match image {
        RawImage::Encoded(bytes) => (decode_encoded(&bytes, limits, &place)?, Some(bytes)),
        RawImage::File(path) => {
            let bytes = read_file(&path, limits, &place)?;
            (decode_encoded(&bytes, limits, &place)?, Some(bytes))
        }
        RawImage::Plain(plain) => (decode_plain(&plain, &place)?, None),
    };
    let (was_encoded, shape, element) = (encoded.is_some(), image.shape, element(&image.pixels));
    let pixels = little_endian(image.pixels);
    let digest = digest(shape, element, &pixels);
    let stored = match layout {
        Layout::Plain if first.is_some_and(|first| first != (shape, element)) => Vec::new(),
        Layout::Plain => pixels,
        Layout::Encoded => blob(shape, element, encoded, &pixels),
    };
    Ok(Prepared { place, shape, element, was_encoded, digest, stored, label, columns })
}

fn read_file(path: &Path, limits: &Limits, place: &Place) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| {
        let why = format!("{place} cannot be read: {}", error.kind());
        Error::invalid("IMAGE_NOT_FOUND", "", why).with_source(error)
    };
    let metadata = path.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::invalid("IMAGE_NOT_FOUND", "", format!("{place} is no ordinary file")));
    }
    if metadata.len() > limits.encoded_image_bytes {
        return Err(too_large(place, format!("{} bytes; at most {}", metadata.len(), limits.encoded_image_bytes)));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(limits.encoded_image_bytes + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn element(pixels: &Pixels) -> Stored {
    match pixels {
        Pixels::Bytes(_) => Stored::Bytes,
        Pixels::Floats(_) => Stored::Floats,
    }
}

fn little_endian(pixels: Pixels) -> Vec<u8> {
    match pixels {
        Pixels::Bytes(bytes) => bytes,
        Pixels::Floats(floats) => floats.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

/// The inverse of `little_endian`.
pub(super) fn from_little_endian(element: Stored, bytes: Vec<u8>) -> Pixels {
    match element {
        Stored::Bytes => Pixels::Bytes(bytes),
        Stored::Floats => Pixels::Floats(bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect()),
    }
}

fn digest(shape: ImageShape, element: Stored, pixels: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for axis in [shape.height, shape.width, shape.channels] {
        hasher.update(axis.to_le_bytes());
    }
    hasher.update([match element {
        Stored::Bytes => b'u',
        Stored::Floats => b'f',
    }]);
    hasher.update(pixels);
    hasher.finalize().into()
}

fn blob(shape: ImageShape, element: Stored, encoded: Option<Vec<u8>>, pixels: &[u8]) -> Vec<u8> {
    let kind = match (&encoded, element) {
        (Some(_), _) => ENCODED,
        (None, Stored::Bytes) => PLAIN_BYTES,
        (None, Stored::Floats) => PLAIN_FLOATS,
    };
    let header = [kind, shape.height, shape.width, shape.channels].map(u32::to_le_bytes).concat();
    [header.as_slice(), encoded.as_deref().unwrap_or(pixels)].concat()
}

/// Reads what `blob` made.
pub(super) fn from_blob(blob: &[u8], limits: &Limits, place: &Place) -> Result<Image> {
    let damaged = || super::manifest::lost("an image is malformed");
    let (header, payload) = blob.split_at_checked(BLOB_HEADER_BYTES).ok_or_else(damaged)?;
    let words: Vec<u32> = header.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let [kind, height, width, channels] = words[..] else { return Err(damaged()) };
    let shape = ImageShape { height, width, channels };
    let plain = |element: Stored, size: usize| match payload.len() == shape.value_count() * size {
        true => Ok(Image { shape, pixels: from_little_endian(element, payload.to_vec()) }),
        false => Err(damaged()),
    };
    match kind {
        ENCODED => decode_encoded(payload, limits, place),
        PLAIN_BYTES => plain(Stored::Bytes, 1),
        PLAIN_FLOATS => plain(Stored::Floats, 4),
        _ => Err(damaged()),
    }
}
