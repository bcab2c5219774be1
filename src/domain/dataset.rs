//! Datasets of labelled images or of texts, and how a request names a part of one.
//!
//! `ImageSource` is the seam between the files (`storage`) and the numeric code (`ml`): neither knows the other.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::error::Result;
use super::ids::DatasetId;
use super::model::Resize;
use super::text::TextForm;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DatasetFormat {
    Parquet,
    ImageFolder,
    Safetensors,
    Npz,
    Csv,
    /// Texts: an object of JSON a line.
    Jsonl,
}

/// One split: `class_counts[k]` samples of class `k`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRecord {
    pub name: String,
    pub sample_count: u64,
    pub class_counts: Vec<u64>,
}

/// A dataset as the registry knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetRecord {
    pub id: DatasetId,
    /// As the client gave it; empty for uploads.
    pub uri: String,
    pub format: DatasetFormat,
    /// What the examples of a text dataset are; absent for images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_form: Option<TextForm>,
    /// Empty where the examples of a text dataset have no labels.
    pub class_names: Vec<String>,
    pub splits: Vec<SplitRecord>,
    /// SHA-256 over decoded pixels' encodings, or over examples, and labels in order: the same data give the same hash, whatever the
    /// format.
    pub content_hash: String,
    /// Common shape of all images; absent when they differ, and for texts.
    pub image_shape: Option<ImageShape>,
    /// Names of further scalar columns that predicates may use.
    pub columns: Vec<String>,
    pub size_bytes: u64,
    pub create_time: SystemTime,
}

impl DatasetRecord {
    pub fn split(&self, name: &str) -> Option<&SplitRecord> {
        self.splits.iter().find(|split| split.name == name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImageShape {
    pub height: u32,
    pub width: u32,
    pub channels: u32,
}

impl ImageShape {
    pub fn value_count(self) -> usize {
        self.height as usize * self.width as usize * self.channels as usize
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

/// A dataset and, where it has several, one of its splits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    pub dataset: DatasetId,
    /// Empty: the split that the role of the source suggests (`train`, `test`), or the only one.
    pub split: String,
}

/// Which samples of a split a call is about; every stated condition must hold, an empty selector means all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Selector {
    /// Class names or decimal class indices; a sample matches any of them.
    pub classes: Vec<String>,
    /// Positions in the split.
    pub indices: Vec<u64>,
    pub predicates: Vec<Predicate>,
}

impl Selector {
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty() && self.indices.is_empty() && self.predicates.is_empty()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Predicate {
    /// Positions `start..end` of the split.
    IndexRange { start: u64, end: u64 },
    /// A pseudo-random share of the samples that depends on (seed, position) alone.
    Fraction { fraction: f64, seed: u64 },
    /// A further column of the dataset has this value (compared as text).
    ColumnEquals { column: String, value: String },
}

/// Decoded images: `count` images of one shape in NHWC order.
#[derive(Debug, Clone)]
pub struct ImageBatch {
    pub count: usize,
    pub shape: ImageShape,
    pub pixels: Pixels,
}

/// Pixel values; bytes mean value/255, floats are already in [0, 1] and finite.
#[derive(Debug, Clone)]
pub enum Pixels {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

impl Pixels {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Floats(floats) => floats.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The images of one split, readable in any order from any thread.
pub trait ImageSource: Send + Sync + fmt::Debug {
    /// Content hash of the dataset and the split's name: the key of everything derived from the images.
    fn key(&self) -> &str;
    /// Class of each sample, in order.
    fn labels(&self) -> &[u32];
    /// Decodes the samples at `positions` to `shape`. An image of another size is resized if `resize` says so, else
    /// refused (`IMAGE_SIZE_MISMATCH`); grey images become RGB and RGB grey where `shape.channels` asks for it.
    fn read(&self, positions: &[usize], shape: ImageShape, resize: Resize) -> Result<ImageBatch>;

    fn len(&self) -> usize {
        self.labels().len()
    }

    fn is_empty(&self) -> bool {
        self.labels().is_empty()
    }
}
