//! CSV with a header; every value is text, chats are JSON.

use std::fs::File;

use csv::StringRecord;
use serde_json::Value;

use crate::domain::{Error, Result};
use crate::storage::datasets::sample::{Place, unreadable, unreadable_file};

use super::table::{MAX_ROW_BYTES, RowSink, SplitFile, Table};

#[derive(Debug)]
pub(super) struct CsvTable {
    files: Vec<SplitFile>,
}

impl CsvTable {
    pub(super) fn new(files: Vec<SplitFile>) -> Self {
        Self { files }
    }
}

impl Table for CsvTable {
    fn rows(&self, sink: &mut RowSink<'_>) -> Result<()> {
        self.files.iter().try_for_each(|file| read(file, sink))
    }
}

fn read(source: &SplitFile, sink: &mut RowSink<'_>) -> Result<()> {
    let file = File::open(&source.path).map_err(|error| unreadable_file("the file", error))?;
    let mut rows = csv::ReaderBuilder::new().buffer_capacity(1 << 20).from_reader(file);
    let names: Vec<String> = rows.headers().map_err(malformed)?.iter().map(|name| name.trim().to_owned()).collect();
    check_names(&names)?;
    let mut row = StringRecord::new();
    while rows.read_record(&mut row).map_err(malformed)? {
        let line = row.position().map_or(0, csv::Position::line);
        let place = Place::Line { file: source.name.clone(), line };
        if row.as_slice().len() > MAX_ROW_BYTES {
            return Err(unreadable(&place.to_string(), format!("it has more than {MAX_ROW_BYTES} bytes")));
        }
        let values = names.iter().cloned().zip(row.iter().map(|value| Value::String(value.to_owned())));
        sink(&source.split, place, values.collect())?;
    }
    Ok(())
}

fn check_names(names: &[String]) -> Result<()> {
    let doubled = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
    match doubled {
        Some((_, name)) => {
            let shown: String = name.chars().take(80).collect();
            Err(Error::invalid("UNREADABLE_DATASET", "", format!("the first line names the column `{shown}` twice")))
        }
        None => Ok(()),
    }
}

fn malformed(error: csv::Error) -> Error {
    unreadable("the CSV file", &error).with_source(error)
}
