//! Images and labels as tensors: safetensors and npz, whose headers are read by `tensor_files`.
//!
//! Names: `images` and `labels` (one split), `<split>_images` and `<split>_labels`, `images_<split>`, and the same with `x`
//! and `y` (`x_train`, `y_train`). Images are `[N,H,W]`, `[N,H,W,C]` or `[N,C,H,W]` with C = 1 or 3 (both possible: channels last),
//! u8, or f32/f64 in [0, 1]. Labels are `[N]` or `[N,1]` integers. Batches are read one by one; nothing is held whole but labels.

use std::io::Read;
use std::sync::Arc;

use crate::domain::dataset::ImageShape;
use crate::domain::{Error, Result};

use super::limits::Limits;
use super::sample::{
    Element, Place, PlainImage, RawImage, RawLabel, RawSample, Reader, Sink, Stop, chosen_splits, unreadable,
};
use super::tensor_files::{Kind, TensorFile, TensorInfo};

const BATCH_BYTES: usize = 32 << 20;
const MAX_BATCH: usize = 4096;
const PAIRS: [(&str, &str); 5] = [("images", "labels"), ("x", "y"), ("X", "y"), ("data", "labels"), ("image", "label")];

#[derive(Debug)]
pub(super) struct Tensors {
    file: Box<dyn TensorFile>,
    splits: Vec<(String, Pair)>,
    class_names: Option<Vec<String>>,
}

/// The images and labels of one split.
#[derive(Debug)]
struct Pair {
    images: TensorInfo,
    labels: TensorInfo,
    count: usize,
    shape: ImageShape,
    planar: bool,
    element: Element,
}

impl Tensors {
    /// `split`: what to call `images` and `labels`; of a file with several splits, the only one to read.
    pub(super) fn open(file: Box<dyn TensorFile>, split: Option<&str>, limits: &Limits) -> Result<Self> {
        let names = pairs(file.tensors(), split.unwrap_or("train"));
        if names.is_empty() {
            return Err(nothing_found(file.tensors()));
        }
        let mut splits = Vec::new();
        for (split, (images, labels)) in chosen_splits(names, split)? {
            splits.push((split, Pair::new(images, labels, limits)?));
        }
        let class_names = file.class_names();
        Ok(Self { file, splits, class_names })
    }
}

impl Reader for Tensors {
    fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    fn sample_count(&self) -> u64 {
        self.splits.iter().map(|(_, pair)| pair.count as u64).sum()
    }

    fn read(&self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        for (split, pair) in &self.splits {
            let labels = pair.read_labels(&*self.file)?;
            let mut stopped = None;
            let read = self.file.with_data(&pair.images, &mut |data| {
                pair.read_images(data, &labels, split, sink).map_err(|stop| {
                    stopped = Some(stop);
                    unreadable(&format!("`{}`", pair.images.name), "reading it was stopped")
                })
            });
            stopped.map_or(Ok(()), Err)?;
            read?;
        }
        Ok(())
    }
}

impl Pair {
    fn new(images: TensorInfo, labels: TensorInfo, limits: &Limits) -> Result<Self> {
        let (count, shape, planar) = image_axes(&images, limits)?;
        let ([labels_count] | [labels_count, 1]) = *labels.shape else {
            return Err(wrong(&labels, "WRONG_SHAPE", "labels must be [N]"));
        };
        if labels_count != count as u64 {
            let why = format!("`{}` holds {count} images and `{}` {labels_count} labels", images.name, labels.name);
            return Err(Error::invalid("LENGTH_MISMATCH", "uri", why));
        }
        let element = match images.kind {
            Kind::Unsigned(1) => Element::U8,
            Kind::Float(4) => Element::F32,
            Kind::Float(8) => Element::F64,
            Kind::Unsigned(_) | Kind::Signed(_) | Kind::Float(_) | Kind::Other => {
                return Err(wrong(&images, "WRONG_DTYPE", "images must be u8, or f32 in [0, 1]"));
            }
        };
        if !matches!(labels.kind, Kind::Unsigned(_) | Kind::Signed(_)) {
            return Err(wrong(&labels, "WRONG_DTYPE", "labels must be integers"));
        }
        Ok(Self { images, labels, count, shape, planar, element })
    }

    fn read_labels(&self, file: &dyn TensorFile) -> Result<Vec<i64>> {
        let mut bytes = Vec::new();
        file.with_data(&self.labels, &mut |data| {
            data.read_to_end(&mut bytes).map(drop).map_err(|error| cut_off(&self.labels, error))
        })?;
        let labels: Vec<i64> =
            bytes.chunks_exact(self.labels.kind.byte_count()).map(|label| self.labels.kind.integer(label)).collect();
        match labels.len() == self.count {
            true => Ok(labels),
            false => Err(unreadable(&format!("`{}`", self.labels.name), "it ends early")),
        }
    }

    fn read_images(&self, data: &mut dyn Read, labels: &[i64], split: &str, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let image_bytes = self.shape.value_count() * self.element.byte_count();
        let batch = (BATCH_BYTES / image_bytes).clamp(1, MAX_BATCH);
        let tensor: Arc<str> = self.images.name.as_str().into();
        let mut index = 0;
        for labels in labels.chunks(batch) {
            let mut samples = Vec::with_capacity(labels.len());
            for label in labels {
                let mut bytes = vec![0; image_bytes];
                data.read_exact(&mut bytes).map_err(|error| cut_off(&self.images, error))?;
                let place = Place::Item { tensor: Arc::clone(&tensor), index };
                let image = PlainImage { bytes, element: self.element, shape: self.shape, planar: self.planar };
                let label = RawLabel::Index(*label);
                samples.push(RawSample { place, image: RawImage::Plain(image), label, columns: Vec::new() });
                index += 1;
            }
            sink(split, samples)?;
        }
        Ok(())
    }
}

type NamedPair = (String, (TensorInfo, TensorInfo));

/// The splits that the names of the tensors tell of, in the order of the names.
fn pairs(tensors: &[TensorInfo], default_split: &str) -> Vec<NamedPair> {
    let tensor = |name: &str| tensors.iter().find(|tensor| tensor.name == name).cloned();
    let mut found: Vec<NamedPair> = Vec::new();
    for images in tensors {
        for (image_word, label_word) in PAIRS {
            let Some((split, label_name)) = split_and_label(&images.name, image_word, label_word) else { continue };
            let split = if split.is_empty() { default_split } else { split };
            if let Some(labels) = tensor(&label_name)
                && found.iter().all(|(name, _)| name != split)
            {
                found.push((split.to_owned(), (images.clone(), labels)));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// `x_train` with (`x`, `y`) is the split `train`, whose labels are `y_train`.
fn split_and_label<'a>(name: &'a str, image_word: &str, label_word: &str) -> Option<(&'a str, String)> {
    if name == image_word {
        return Some(("", label_word.to_owned()));
    }
    if let Some(split) = name.strip_prefix(image_word).and_then(|rest| rest.strip_prefix('_')) {
        return Some((split, format!("{label_word}_{split}")));
    }
    let split = name.strip_suffix(image_word).and_then(|rest| rest.strip_suffix('_'))?;
    Some((split, format!("{split}_{label_word}")))
}

/// Number of images, their shape, and whether the channels come first.
fn image_axes(images: &TensorInfo, limits: &Limits) -> Result<(usize, ImageShape, bool)> {
    let is_channels = |size: u64| size == 1 || size == 3;
    let (count, height, width, channels, planar) = match *images.shape {
        [count, height, width] => (count, height, width, 1, false),
        [count, height, width, channels] if is_channels(channels) => (count, height, width, channels, false),
        [count, channels, height, width] if is_channels(channels) => (count, height, width, channels, true),
        _ => {
            return Err(wrong(
                images,
                "WRONG_SHAPE",
                "images must be [N,H,W], [N,H,W,C] or [N,C,H,W] with 1 or 3 channels",
            ));
        }
    };
    let fits = |size: u64| u32::try_from(size).ok().filter(|size| (1..=limits.image_side).contains(size));
    let (Some(height), Some(width), Some(channels)) = (fits(height), fits(width), fits(channels)) else {
        return Err(wrong(images, "IMAGE_TOO_LARGE", &format!("height and width must be 1 to {}", limits.image_side)));
    };
    if u64::from(height) * u64::from(width) > limits.image_pixels {
        return Err(wrong(images, "IMAGE_TOO_LARGE", &format!("at most {} pixels an image", limits.image_pixels)));
    }
    let count = usize::try_from(count).ok().filter(|count| *count as u64 <= limits.samples);
    let count =
        count.ok_or_else(|| wrong(images, "DATASET_TOO_LARGE", &format!("at most {} images", limits.samples)))?;
    Ok((count, ImageShape { height, width, channels }, planar))
}

fn wrong(tensor: &TensorInfo, reason: &'static str, wanted: &str) -> Error {
    Error::invalid(reason, "uri", format!("`{}` is {} {:?}; {wanted}", tensor.name, tensor.dtype, tensor.shape))
}

fn cut_off(tensor: &TensorInfo, error: std::io::Error) -> Error {
    unreadable(&format!("`{}`", tensor.name), &error).with_source(error)
}

fn nothing_found(tensors: &[TensorInfo]) -> Error {
    let names: Vec<String> = tensors.iter().map(|tensor| tensor.name.clone()).collect();
    let why = format!(
        "no images with labels; name the tensors `images` and `labels`, or `train_images` and `train_labels`; the file has {}",
        super::classes::listed(&names)
    );
    Error::invalid("TENSOR_NOT_FOUND", "uri", why)
}
