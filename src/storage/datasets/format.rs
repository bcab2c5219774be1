//! Which format a file has, and the reader for it.

use std::ffi::OsStr;
use std::path::Path;

use crate::domain::dataset::DatasetFormat;
use crate::domain::{Error, Result};

use super::csv::CsvFile;
use super::image_folder::ImageFolder;
use super::ingest::IngestRequest;
use super::limits::Limits;
use super::parquet::{AskedColumns, ParquetFiles};
use super::parquet_files::is_parquet;
use super::sample::{Reader, unreadable_file};
use super::tensor_files::{Npz, Safetensors};
use super::tensors::Tensors;

impl DatasetFormat {
    /// From the ending of the name; a folder holds Parquet files, or else images.
    pub fn from_path(path: &Path) -> Result<Self> {
        if path.is_dir() {
            let mut entries = std::fs::read_dir(path).map_err(|error| unreadable_file("the folder", error))?;
            let holds_parquet = entries.any(|entry| entry.is_ok_and(|entry| is_parquet(&entry.path())));
            return Ok(if holds_parquet { Self::Parquet } else { Self::ImageFolder });
        }
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
        match ending.as_str() {
            "parquet" => Ok(Self::Parquet),
            "safetensors" => Ok(Self::Safetensors),
            "npz" => Ok(Self::Npz),
            "csv" => Ok(Self::Csv),
            "jsonl" | "ndjson" => Ok(Self::Jsonl),
            _ => {
                let why = "cannot be told from the name; state it, or name the file `.parquet`, `.safetensors`, `.npz`, `.csv` or `.jsonl`";
                Err(Error::invalid("UNKNOWN_DATASET_FORMAT", "format", why))
            }
        }
    }
}

/// Reads the headers of the source.
pub(super) fn open(request: &IngestRequest, format: DatasetFormat, limits: &Limits) -> Result<Box<dyn Reader>> {
    let path = request.path.as_path();
    let split = request.split.as_deref();
    let (image, label) = (request.image_column.as_deref(), request.label_column.as_deref());
    if path.is_dir() != matches!(format, DatasetFormat::ImageFolder)
        && !(path.is_dir() && format == DatasetFormat::Parquet)
    {
        let what = if path.is_dir() { "a folder" } else { "a file" };
        return Err(Error::invalid("WRONG_DATASET_FORMAT", "format", format!("{format:?} does not fit {what}")));
    }
    Ok(match format {
        DatasetFormat::Parquet => Box::new(ParquetFiles::open(path, split, AskedColumns { image, label }, limits)?),
        DatasetFormat::ImageFolder => Box::new(ImageFolder::open(path, split, limits)?),
        DatasetFormat::Safetensors => Box::new(Tensors::open(Box::new(Safetensors::open(path)?), split, limits)?),
        DatasetFormat::Npz => Box::new(Tensors::open(Box::new(Npz::open(path)?), split, limits)?),
        DatasetFormat::Csv => Box::new(CsvFile::open(path, split, image, label, limits)?),
        DatasetFormat::Jsonl => {
            let why = "JSONL holds texts; give `text`, or images in another format";
            return Err(Error::invalid("WRONG_DATASET_FORMAT", "format", why));
        }
    })
}
