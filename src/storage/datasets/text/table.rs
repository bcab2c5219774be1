//! A source of rows, whatever its format, and which format a file has.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::domain::dataset::DatasetFormat;
use crate::domain::{Error, Result};
use crate::storage::datasets::limits::Limits;
use crate::storage::datasets::parquet_files::is_parquet;
use crate::storage::datasets::sample::{Place, unreadable, unreadable_file};

use super::csv::CsvTable;
use super::jsonl::JsonLines;
use super::parquet::ParquetTable;

/// One example as it stands in the source; longer ones are refused.
pub(super) const MAX_ROW_BYTES: usize = 4 << 20;
const MAX_FILES: usize = 10_000;
const SPLIT_WORDS: [&str; 6] = ["train", "test", "validation", "valid", "val", "dev"];

/// Values by column.
pub(super) type Row = Map<String, Value>;

/// Takes the rows of one split in order.
pub(super) type RowSink<'a> = dyn FnMut(&str, Place, Row) -> Result<()> + 'a;

/// `rows` may run several times.
pub(super) trait Table {
    fn rows(&self, sink: &mut RowSink<'_>) -> Result<()>;

    /// Of a column, where the source has them beside the rows.
    fn class_names(&self, _column: &str) -> Option<Vec<String>> {
        None
    }
}

/// One file of a source, and the split that its name says.
#[derive(Debug, Clone)]
pub(super) struct SplitFile {
    pub(super) path: std::path::PathBuf,
    /// Shown in errors, where there are several.
    pub(super) name: Option<Arc<str>>,
    pub(super) split: String,
}

pub(super) fn open(
    path: &Path,
    format: Option<DatasetFormat>,
    split: Option<&str>,
    limits: &Limits,
) -> Result<(DatasetFormat, Box<dyn Table>)> {
    let format = format.map_or_else(|| format_of(path), Ok)?;
    let table: Box<dyn Table> = match format {
        DatasetFormat::Jsonl => Box::new(JsonLines::new(files(path, split, &is_jsonl)?)),
        DatasetFormat::Csv => Box::new(CsvTable::new(files(path, split, &is_csv)?)),
        DatasetFormat::Parquet => Box::new(ParquetTable::open(path, split, limits)?),
        DatasetFormat::ImageFolder | DatasetFormat::Safetensors | DatasetFormat::Npz => {
            let why = format!("{format:?} holds images; texts come as JSONL, CSV or PARQUET");
            return Err(Error::invalid("WRONG_DATASET_FORMAT", "format", why));
        }
    };
    Ok((format, table))
}

/// Of a file, or of all files of a folder: none of several is passed over in silence.
fn format_of(path: &Path) -> Result<DatasetFormat> {
    let found: Vec<DatasetFormat> = if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(|error| unreadable_file("the folder", error))?;
        entries.flatten().filter_map(|entry| ending(&entry.path())).collect()
    } else {
        ending(path).into_iter().collect()
    };
    let why = match found.split_first() {
        Some((first, others)) if others.iter().all(|other| other == first) => return Ok(*first),
        Some(_) => "the folder holds files of several formats; state which are meant, or give each a folder of its own",
        None => "cannot be told from the name; state it, or name the file `.jsonl`, `.csv` or `.parquet`",
    };
    Err(Error::invalid("UNKNOWN_DATASET_FORMAT", "format", why))
}

fn ending(path: &Path) -> Option<DatasetFormat> {
    match path {
        _ if is_jsonl(path) => Some(DatasetFormat::Jsonl),
        _ if is_csv(path) => Some(DatasetFormat::Csv),
        _ if is_parquet(path) => Some(DatasetFormat::Parquet),
        _ => None,
    }
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let found = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    endings.iter().any(|ending| found.eq_ignore_ascii_case(ending))
}

fn is_jsonl(path: &Path) -> bool {
    has_ending(path, &["jsonl", "ndjson"])
}

fn is_csv(path: &Path) -> bool {
    has_ending(path, &["csv"])
}

/// The file itself, or those of a folder: `train.jsonl` and `train-1.jsonl` belong to `train`.
fn files(path: &Path, split: Option<&str>, fits: &dyn Fn(&Path) -> bool) -> Result<Vec<SplitFile>> {
    if !path.is_dir() {
        let named = word(path).filter(|word| SPLIT_WORDS.contains(word));
        let split = split.or(named).unwrap_or("train").to_owned();
        return Ok(vec![SplitFile { path: path.to_owned(), name: None, split }]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable_file("the folder", error))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| fits(path)).collect();
    paths.sort();
    if paths.len() > MAX_FILES {
        return Err(unreadable("the folder", format!("it holds more than {MAX_FILES} files")));
    }
    if let Some(link) = paths.iter().find(|path| path.is_symlink()) {
        let name = link.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let why = format!("`{name}` is a symbolic link, which is not followed; put the file itself there");
        return Err(Error::invalid("SYMBOLIC_LINK", "uri", why));
    }
    let file = |path: std::path::PathBuf| SplitFile {
        name: Some(path.file_name().unwrap_or_default().to_string_lossy().into()),
        split: word(&path).unwrap_or("train").to_owned(),
        path,
    };
    let found: Vec<SplitFile> = paths.into_iter().map(file).collect();
    let kept: Vec<SplitFile> =
        found.iter().filter(|file| split.is_none_or(|split| file.split == split)).cloned().collect();
    match (kept.is_empty(), split) {
        (true, Some(split)) if !found.is_empty() => {
            Err(Error::invalid("UNKNOWN_SPLIT", "split", format!("no file of the folder belongs to split `{split}`")))
        }
        _ => Ok(kept),
    }
}

fn word(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()?.split(['-', '.', '_']).next().filter(|word| !word.is_empty())
}
