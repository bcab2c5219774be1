//! Parquet: text and number columns, and chats as lists of structs, as Hugging Face writes them.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use serde_json::Value;

use crate::domain::{Error, Result};
use crate::storage::datasets::limits::Limits;
use crate::storage::datasets::parquet_columns::{class_names, features, is_text};
use crate::storage::datasets::parquet_files::{TableFile, file_split, folder_splits};
use crate::storage::datasets::parquet_headers;
use crate::storage::datasets::sample::{Place, unreadable};

use super::table::{Row, RowSink, Table};

#[derive(Debug)]
pub(super) struct ParquetTable {
    splits: Vec<(String, Vec<TableFile>)>,
    features: Value,
}

impl ParquetTable {
    pub(super) fn open(path: &Path, split: Option<&str>, limits: &Limits) -> Result<Self> {
        parquet_headers::check(path, limits)?;
        let splits = if path.is_dir() { folder_splits(path, split)? } else { vec![file_split(path, split)] };
        let first = splits.first().and_then(|(_, files)| files.first());
        let first = first.ok_or_else(|| unreadable("the folder", "it holds no Parquet file"))?;
        let features = features(first.builder()?.schema());
        let table = Self { splits, features };
        table.check_sizes(limits)?;
        Ok(table)
    }

    fn check_sizes(&self, limits: &Limits) -> Result<()> {
        let (mut rows, mut bytes) = (0_u64, 0_u64);
        for file in self.splits.iter().flat_map(|(_, files)| files) {
            for group in file.builder()?.metadata().row_groups() {
                rows = rows.saturating_add(u64::try_from(group.num_rows()).unwrap_or(u64::MAX));
                bytes = bytes.saturating_add(u64::try_from(group.total_byte_size()).unwrap_or(u64::MAX));
            }
        }
        if rows <= limits.samples && bytes <= limits.stored_bytes {
            return Ok(());
        }
        let why =
            format!("{rows} rows, {bytes} bytes; at most {} rows and {} bytes", limits.samples, limits.stored_bytes);
        Err(Error::invalid("DATASET_TOO_LARGE", "uri", why))
    }
}

impl Table for ParquetTable {
    fn rows(&self, sink: &mut RowSink<'_>) -> Result<()> {
        for (split, files) in &self.splits {
            for file in files {
                let names: Vec<String> =
                    file.builder()?.schema().fields().iter().map(|field| field.name().clone()).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let mut first = 0;
                for batch in file.batches(&names)? {
                    let batch = batch?;
                    emit(file, split, &batch, first, sink)?;
                    first += batch.num_rows() as u64;
                }
            }
        }
        Ok(())
    }

    fn class_names(&self, column: &str) -> Option<Vec<String>> {
        class_names(&self.features, column)
    }
}

fn emit(file: &TableFile, split: &str, batch: &RecordBatch, first: u64, sink: &mut RowSink<'_>) -> Result<()> {
    let schema = batch.schema();
    let columns: Vec<(&str, Vec<Value>)> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| Ok((field.name().as_str(), values(file, column)?)))
        .collect::<Result<_>>()?;
    let mut columns: Vec<(&str, std::vec::IntoIter<Value>)> =
        columns.into_iter().map(|(name, values)| (name, values.into_iter())).collect();
    for row in 0..batch.num_rows() as u64 {
        let place = Place::Row { file: file.name.clone(), row: first + row };
        let values = columns.iter_mut().map(|(name, values)| ((*name).to_owned(), values.next().unwrap_or_default()));
        let values: Row = values.collect();
        sink(split, place, values)?;
    }
    Ok(())
}

/// The values of a column as JSON: numbers, texts, lists and structs; everything else as Arrow writes it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the many types that are written as text")]
fn values(file: &TableFile, column: &ArrayRef) -> Result<Vec<Value>> {
    let kind = column.data_type();
    let value: Box<dyn Fn(usize) -> Value> = match kind {
        kind if is_text(kind) => {
            let texts = file.guarded(|| cast(column, &DataType::Utf8View))?;
            Box::new(move |row| texts.as_string_view().value(row).into())
        }
        kind if kind.is_integer() => {
            let numbers = file.guarded(|| cast(column, &DataType::Int64))?;
            Box::new(move |row| numbers.as_primitive::<Int64Type>().value(row).into())
        }
        kind if kind.is_numeric() => {
            let numbers = file.guarded(|| cast(column, &DataType::Float64))?;
            Box::new(move |row| numbers.as_primitive::<Float64Type>().value(row).into())
        }
        DataType::Boolean => Box::new(|row| column.as_boolean().value(row).into()),
        DataType::List(_) => return lists(file, column, &|row| column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => return lists(file, column, &|row| column.as_list::<i64>().value(row)),
        DataType::Struct(_) => return structs(file, column),
        _ => {
            let options = FormatOptions::default();
            let formatter = file.guarded(|| ArrayFormatter::try_new(column, &options))?;
            return Ok((0..column.len()).map(|row| formatter.value(row).to_string().into()).collect());
        }
    };
    Ok((0..column.len()).map(|row| if column.is_null(row) { Value::Null } else { value(row) }).collect())
}

fn lists(file: &TableFile, column: &ArrayRef, list: &dyn Fn(usize) -> ArrayRef) -> Result<Vec<Value>> {
    let value = |row| match column.is_null(row) {
        true => Ok(Value::Null),
        false => Ok(Value::Array(values(file, &list(row))?)),
    };
    (0..column.len()).map(value).collect()
}

fn structs(file: &TableFile, column: &ArrayRef) -> Result<Vec<Value>> {
    let fields = column.as_struct();
    let mut rows = vec![Row::new(); column.len()];
    for (name, values_of) in fields.column_names().into_iter().zip(fields.columns()) {
        for (row, value) in rows.iter_mut().zip(values(file, values_of)?) {
            row.insert(name.to_owned(), value);
        }
    }
    let value = |(index, row)| if column.is_null(index) { Value::Null } else { Value::Object(row) };
    Ok(rows.into_iter().enumerate().map(value).collect())
}
