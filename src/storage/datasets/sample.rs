//! What a reader of some format hands to the ingest, and the contract between the two.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::dataset::ImageShape;
use crate::domain::{Error, Result};

/// One sample as the source has it.
#[derive(Debug)]
pub(super) struct RawSample {
    pub(super) place: Place,
    pub(super) image: RawImage,
    pub(super) label: RawLabel,
    /// Values of `Reader::columns`, in that order.
    pub(super) columns: Vec<String>,
}

#[derive(Debug)]
pub(super) enum RawImage {
    /// JPEG or PNG.
    Encoded(Vec<u8>),
    /// A JPEG or PNG file; read by the worker that decodes it.
    File(PathBuf),
    Plain(PlainImage),
}

/// Pixels as they lie in a tensor: `planar` is CHW, else HWC; little-endian.
#[derive(Debug)]
pub(super) struct PlainImage {
    pub(super) bytes: Vec<u8>,
    pub(super) element: Element,
    pub(super) shape: ImageShape,
    pub(super) planar: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    U8,
    F32,
    F64,
}

impl Element {
    pub(super) fn byte_count(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

#[derive(Debug)]
pub(super) enum RawLabel {
    Index(i64),
    Name(String),
}

/// Where in the source a sample stands, as its owner would look for it.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Row of a table, from 0, and the file where there are several.
    Row { file: Option<Arc<str>>, row: u64 },
    /// Line of a text file, from 1, and the file where there are several.
    Line { file: Option<Arc<str>>, line: u64 },
    /// Relative to the folder that was named.
    File(String),
    /// Sent along.
    Request,
    /// Index in a tensor, from 0.
    Item { tensor: Arc<str>, index: u64 },
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row { file: None, row } => write!(formatter, "row {row}"),
            Self::Row { file: Some(file), row } => write!(formatter, "row {row} of `{file}`"),
            Self::Line { file: None, line } => write!(formatter, "line {line}"),
            Self::Line { file: Some(file), line } => write!(formatter, "line {line} of `{file}`"),
            Self::File(path) => write!(formatter, "`{path}`"),
            Self::Request => formatter.write_str("the request"),
            Self::Item { tensor, index } => write!(formatter, "`{tensor}[{index}]`"),
        }
    }
}

/// Why a pass over the source ended early.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(Error),
    /// The images do not fit the layout that this pass writes: begin again with the other.
    Relayout,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Takes the samples of one split, in order and a batch at a time.
pub(super) type Sink<'a> = dyn FnMut(&str, Vec<RawSample>) -> Result<(), Stop> + 'a;

/// A source whose headers have been read and checked. `read` may run twice.
pub(super) trait Reader {
    /// Names of the classes, where the source has them.
    fn class_names(&self) -> Option<&[String]>;

    fn columns(&self) -> &[String] {
        &[]
    }

    /// Name and number of samples of each split, as far as the headers tell.
    fn sample_count(&self) -> u64;

    fn read(&self, sink: &mut Sink<'_>) -> Result<(), Stop>;
}

/// Of the splits that a source names, those that were asked for.
pub(super) fn chosen_splits<T>(mut found: Vec<(String, T)>, asked: Option<&str>) -> Result<Vec<(String, T)>> {
    let Some(asked) = asked else { return Ok(found) };
    let names: Vec<String> = found.iter().map(|(name, _)| format!("`{name}`")).collect();
    found.retain(|(name, _)| name == asked);
    if found.is_empty() {
        let why = format!("no split `{asked}`; the source has {}", names.join(", "));
        return Err(Error::invalid("UNKNOWN_SPLIT", "split", why));
    }
    Ok(found)
}

/// An error about the source as a whole.
pub(super) fn unreadable(what: &str, why: impl fmt::Display) -> Error {
    Error::invalid("UNREADABLE_DATASET", "", format!("{what} cannot be read: {why}"))
}

/// An input or output error on a file of the source; the operating system's text names no path.
pub(super) fn unreadable_file(what: &str, error: std::io::Error) -> Error {
    unreadable(what, &error).with_source(error)
}
