//! Which column of a CSV file is what, by the names in its first line.

use csv::StringRecord;

use crate::domain::{Error, Result};

use super::limits::Limits;

const LABEL_NAMES: [&str; 5] = ["label", "labels", "class", "target", "y"];
const PATH_NAMES: [&str; 6] = ["path", "file", "image", "filename", "file_name", "image_path"];

/// Which column is what.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) label: usize,
    pub(super) split: Option<usize>,
    pub(super) image: ImageColumns,
    pub(super) others: Vec<usize>,
}

#[derive(Debug)]
pub(super) enum ImageColumns {
    Path(usize),
    Pixels { indices: Vec<usize>, side: u32 },
}

impl Header {
    pub(super) fn find(
        names: &StringRecord,
        image: Option<&str>,
        label: Option<&str>,
        limits: &Limits,
    ) -> Result<Self> {
        let position = |wanted: &str| names.iter().position(|name| name.trim() == wanted);
        let asked = |column: Option<&str>, field| match column {
            None => Ok(None),
            Some(name) => position(name).map(Some).ok_or_else(|| missing(field, format!("no column `{name}`"), names)),
        };
        let first = |wanted: &[&str]| {
            wanted.iter().find_map(|name| names.iter().position(|found| found.trim().eq_ignore_ascii_case(name)))
        };
        let label = asked(label, "label_column")?.or_else(|| first(&LABEL_NAMES));
        let label = label.ok_or_else(|| {
            missing(
                "label_column",
                "no label column; the first line must name the columns, and texts are registered with `text`".into(),
                names,
            )
        })?;
        let split = position("split").filter(|index| *index != label);
        let path = asked(image, "image_column")?.or_else(|| first(&PATH_NAMES)).filter(|index| *index != label);
        let image = match path {
            Some(index) => ImageColumns::Path(index),
            None => pixel_columns(names, label, limits)?,
        };
        let used = |index: usize| index == label || Some(index) == split || image.contains(index);
        let others = (0..names.len()).filter(|index| !used(*index)).collect();
        Ok(Self { label, split, others, image })
    }
}

impl ImageColumns {
    fn contains(&self, index: usize) -> bool {
        match self {
            Self::Path(path) => *path == index,
            Self::Pixels { indices, .. } => indices.binary_search(&index).is_ok(),
        }
    }
}

fn pixel_columns(names: &StringRecord, label: usize, limits: &Limits) -> Result<ImageColumns> {
    let ends_in_number = |name: &str| name.trim().ends_with(|c: char| c.is_ascii_digit());
    let indices: Vec<usize> =
        (0..names.len()).filter(|index| *index != label && ends_in_number(&names[*index])).collect();
    if indices.is_empty() {
        return Err(missing("image_column", "neither a column of paths nor pixel columns".into(), names));
    }
    let side = indices.len().isqrt();
    let narrow = u32::try_from(side).ok().filter(|narrow| *narrow <= limits.image_side && side * side == indices.len());
    let Some(side) = narrow else {
        let why =
            format!("{} pixel columns are no square image; use a column of paths, or Parquet or npz", indices.len());
        return Err(Error::invalid("NOT_SQUARE", "uri", why));
    };
    Ok(ImageColumns::Pixels { indices, side })
}

fn missing(field: &str, what: String, names: &StringRecord) -> Error {
    let shown: Vec<String> =
        names.iter().take(12).map(|name| format!("`{}`", name.chars().take(40).collect::<String>())).collect();
    let more = if names.len() > shown.len() { ", ..." } else { "" };
    Error::invalid("COLUMN_NOT_FOUND", field, format!("{what}; the columns are {}{more}", shown.join(", ")))
}
