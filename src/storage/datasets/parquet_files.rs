//! The Parquet files of a dataset: which split each belongs to, and guarded streams of batches from them.
//!
//! A folder gives a split per name: `train-00000-of-00002.parquet` and its sibling belong to `train`.

use std::ffi::OsStr;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::domain::{Error, Result};

use super::sample::{chosen_splits, unreadable, unreadable_file};

const BATCH_BYTES: u64 = 32 << 20;
const MAX_BATCH: u64 = 4096;
const MAX_FILES: usize = 10_000;
const SPLIT_WORDS: [&str; 6] = ["train", "test", "validation", "valid", "val", "dev"];

/// One file of a dataset.
#[derive(Debug)]
pub(super) struct TableFile {
    path: PathBuf,
    /// Shown in errors, where there are several.
    pub(super) name: Option<Arc<str>>,
}

impl TableFile {
    pub(super) fn builder(&self) -> Result<ParquetRecordBatchReaderBuilder<File>> {
        let file = File::open(&self.path).map_err(|error| unreadable_file(&self.to_string(), error))?;
        self.guarded(|| ParquetRecordBatchReaderBuilder::try_new(file))
    }

    /// The named columns in batches of about 32 MiB.
    pub(super) fn batches(&self, columns: &[&str]) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
        let builder = self.builder()?;
        let bytes_a_row = |group: &parquet::file::metadata::RowGroupMetaData| {
            u64::try_from(group.total_byte_size() / group.num_rows().max(1)).unwrap_or(BATCH_BYTES)
        };
        let widest = builder.metadata().row_groups().iter().map(bytes_a_row).max().unwrap_or(1).max(1);
        let rows = usize::try_from((BATCH_BYTES / widest).clamp(1, MAX_BATCH)).unwrap_or(1);
        let roots = builder.parquet_schema().root_schema().get_fields().iter().enumerate();
        let wanted: Vec<usize> =
            roots.filter(|(_, field)| columns.contains(&field.name())).map(|(index, _)| index).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
        let mut reader: ParquetRecordBatchReader =
            self.guarded(|| builder.with_projection(mask).with_batch_size(rows).build())?;
        Ok(std::iter::from_fn(move || self.guarded(|| reader.next().transpose()).transpose()))
    }

    /// A damaged file may make the reader panic; that is the file's fault, not the daemon's.
    pub(super) fn guarded<T, E: std::error::Error + Send + Sync + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, E>,
    ) -> Result<T> {
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(result) => result.map_err(|error| unreadable(&self.to_string(), &error).with_source(error)),
            Err(_) => Err(unreadable(&self.to_string(), "it is damaged")),
        }
    }
}

impl std::fmt::Display for TableFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(formatter, "the Parquet file `{name}`"),
            None => formatter.write_str("the Parquet file"),
        }
    }
}

pub(super) fn file_split(path: &Path, split: Option<&str>) -> (String, Vec<TableFile>) {
    let stem = split_word(path).filter(|word| SPLIT_WORDS.contains(word));
    let name = split.or(stem).unwrap_or("train").to_owned();
    (name, vec![TableFile { path: path.to_owned(), name: None }])
}

/// `train` of `train-00000-of-00002.parquet`.
fn split_word(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()?.split(['-', '.']).next().filter(|word| !word.is_empty())
}

pub(super) fn is_parquet(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

pub(super) fn folder_splits(folder: &Path, asked: Option<&str>) -> Result<Vec<(String, Vec<TableFile>)>> {
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable_file("the folder", error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| is_parquet(path)).collect();
    paths.sort();
    if paths.len() > MAX_FILES {
        return Err(unreadable("the folder", format!("it holds more than {MAX_FILES} Parquet files")));
    }
    let mut splits: Vec<(String, Vec<TableFile>)> = Vec::new();
    for path in paths {
        let name: Arc<str> = path.file_name().unwrap_or_default().to_string_lossy().into();
        if path.is_symlink() {
            let why = format!("`{name}` is a symbolic link, which is not followed; put the file itself there");
            return Err(Error::invalid("SYMBOLIC_LINK", "uri", why));
        }
        let split = split_word(&path).unwrap_or("train").to_owned();
        let file = TableFile { path, name: Some(name) };
        match splits.iter_mut().find(|(name, _)| *name == split) {
            Some((_, files)) => files.push(file),
            None => splits.push((split, vec![file])),
        }
    }
    chosen_splits(splits, asked)
}
