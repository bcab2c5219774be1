//! Parquet in Hugging Face's image layout: a column of JPEG or PNG bytes, alone or as `{bytes, path}`, and a label column.
//!
//! Class names come from the schema metadata (`huggingface`, see `parquet_columns`); text labels name their classes
//! themselves. Other scalar columns are kept as text for predicates. Rows are read batch by batch, never a file whole.

use std::collections::HashSet;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;

use crate::domain::{Error, Result};

use super::classes::names_of;
use super::limits::Limits;
use super::parquet_columns::{Columns, is_text};
use super::parquet_files::{TableFile, file_split, folder_splits};
use super::parquet_headers;
use super::sample::{Place, RawImage, RawLabel, RawSample, Reader, Sink, Stop, unreadable};

#[derive(Debug)]
pub(super) struct ParquetFiles {
    splits: Vec<(String, Vec<TableFile>)>,
    columns: Columns,
    class_names: Option<Vec<String>>,
    row_count: u64,
}

/// Column names that the request gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskedColumns<'a> {
    pub(super) image: Option<&'a str>,
    pub(super) label: Option<&'a str>,
}

impl ParquetFiles {
    pub(super) fn open(path: &Path, split: Option<&str>, asked: AskedColumns<'_>, limits: &Limits) -> Result<Self> {
        parquet_headers::check(path, limits)?;
        let splits = if path.is_dir() { folder_splits(path, split)? } else { vec![file_split(path, split)] };
        let first = splits.first().and_then(|(_, files)| files.first());
        let first = first.ok_or_else(|| unreadable("the folder", "it holds no Parquet file"))?;
        let columns = Columns::find(first.builder()?.schema(), asked)?;
        let mut found = Self { splits, class_names: columns.class_names.clone(), columns, row_count: 0 };
        found.row_count = found.check_files(limits)?;
        if found.columns.label_is_text {
            found.class_names = Some(names_of(found.distinct_labels(limits)?));
        }
        Ok(found)
    }

    /// Every file must have the columns of the first; the sizes that the footers declare are bounded.
    fn check_files(&self, limits: &Limits) -> Result<u64> {
        let (mut rows, mut bytes) = (0_u64, 0_u64);
        for file in self.splits.iter().flat_map(|(_, files)| files) {
            let builder = file.builder()?;
            self.columns.check(builder.schema(), &file.to_string())?;
            for group in builder.metadata().row_groups() {
                rows = rows.saturating_add(u64::try_from(group.num_rows()).unwrap_or(u64::MAX));
                bytes = bytes.saturating_add(u64::try_from(group.total_byte_size()).unwrap_or(u64::MAX));
            }
        }
        if rows > limits.samples || bytes > limits.stored_bytes {
            let why = format!(
                "{rows} rows, {bytes} bytes; at most {} rows and {} bytes",
                limits.samples, limits.stored_bytes
            );
            return Err(Error::invalid("DATASET_TOO_LARGE", "uri", why));
        }
        Ok(rows)
    }

    /// A pass over the label column alone.
    fn distinct_labels(&self, limits: &Limits) -> Result<Vec<String>> {
        let mut labels = HashSet::new();
        for file in self.splits.iter().flat_map(|(_, files)| files) {
            for batch in file.batches(&[&self.columns.label])? {
                let column = text(file, column(&batch?, &self.columns.label)?)?;
                let column = column.as_string::<i32>();
                for label in column.iter().flatten() {
                    if !labels.contains(label) && labels.len() <= limits.classes {
                        labels.insert(label.to_owned());
                    }
                }
            }
        }
        Ok(labels.into_iter().collect())
    }

    fn samples(&self, file: &TableFile, batch: &RecordBatch, first_row: u64) -> Result<Vec<RawSample>> {
        let images = Images::new(file, column(batch, &self.columns.image)?)?;
        let labels = Labels::new(file, column(batch, &self.columns.label)?)?;
        let others = self.columns.others.iter().map(|name| column(batch, name)).collect::<Result<Vec<_>>>()?;
        let options = FormatOptions::default();
        let formatters: Vec<_> = others
            .iter()
            .map(|column| {
                ArrayFormatter::try_new(column, &options).map_err(|error| unreadable(&file.to_string(), error))
            })
            .collect::<Result<_>>()?;
        let sample = |row: usize| {
            let place = Place::Row { file: file.name.clone(), row: first_row + row as u64 };
            let columns = formatters.iter().map(|formatter| formatter.value(row).to_string()).collect();
            Ok(RawSample { image: images.get(row, &place)?, label: labels.get(row, &place)?, place, columns })
        };
        (0..batch.num_rows()).map(sample).collect()
    }
}

impl Reader for ParquetFiles {
    fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    fn columns(&self) -> &[String] {
        &self.columns.others
    }

    fn sample_count(&self) -> u64 {
        self.row_count
    }

    fn read(&self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        for (split, files) in &self.splits {
            for file in files {
                let mut row = 0;
                for batch in file.batches(&self.columns.all())? {
                    let batch = batch?;
                    sink(split, self.samples(file, &batch, row)?)?;
                    row += batch.num_rows() as u64;
                }
            }
        }
        Ok(())
    }
}

/// The bytes of encoded images in one batch.
struct Images {
    bytes: ArrayRef,
}

impl Images {
    fn new(file: &TableFile, column: &ArrayRef) -> Result<Self> {
        let bytes = match column.as_struct_opt() {
            Some(fields) => {
                fields.column_by_name("bytes").ok_or_else(|| unreadable(&file.to_string(), "no field `bytes`"))?
            }
            None => column,
        };
        Ok(Self { bytes: file.guarded(|| cast(bytes, &DataType::LargeBinary))? })
    }

    fn get(&self, row: usize, place: &Place) -> Result<RawImage> {
        if self.bytes.is_null(row) {
            let why = format!("{place} holds no image bytes; embed the files (`datasets.Dataset.to_parquet` does)");
            return Err(Error::invalid("IMAGE_NOT_FOUND", "", why));
        }
        Ok(RawImage::Encoded(self.bytes.as_binary::<i64>().value(row).to_vec()))
    }
}

struct Labels {
    values: ArrayRef,
}

impl Labels {
    fn new(file: &TableFile, column: &ArrayRef) -> Result<Self> {
        let values = if is_text(column.data_type()) {
            text(file, column)?
        } else {
            file.guarded(|| cast(column, &DataType::Int64))?
        };
        Ok(Self { values })
    }

    fn get(&self, row: usize, place: &Place) -> Result<RawLabel> {
        if self.values.is_null(row) {
            return Err(Error::invalid("LABEL_MISSING", "", format!("{place} has no label")));
        }
        Ok(match self.values.as_string_opt::<i32>() {
            Some(names) => RawLabel::Name(names.value(row).to_owned()),
            None => RawLabel::Index(self.values.as_primitive::<Int64Type>().value(row)),
        })
    }
}

fn text(file: &TableFile, column: &ArrayRef) -> Result<ArrayRef> {
    file.guarded(|| cast(column, &DataType::Utf8))
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| unreadable("the Parquet file", format!("no column `{name}`")))
}
