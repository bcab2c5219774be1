//! JSON lines: an object a line, blank lines between them allowed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use serde_json::Value;

use crate::domain::{Error, Result};
use crate::storage::datasets::sample::{Place, unreadable_file};

use super::table::{MAX_ROW_BYTES, Row, RowSink, SplitFile, Table};

const BUFFER_BYTES: usize = 1 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[derive(Debug)]
pub(super) struct JsonLines {
    files: Vec<SplitFile>,
}

impl JsonLines {
    pub(super) fn new(files: Vec<SplitFile>) -> Self {
        Self { files }
    }
}

impl Table for JsonLines {
    fn rows(&self, sink: &mut RowSink<'_>) -> Result<()> {
        self.files.iter().try_for_each(|file| read(file, sink))
    }
}

fn read(source: &SplitFile, sink: &mut RowSink<'_>) -> Result<()> {
    let file = File::open(&source.path).map_err(|error| unreadable_file("the file", error))?;
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let most = MAX_ROW_BYTES as u64 + 1;
        let count = (&mut reader).take(most).read_until(b'\n', &mut line);
        if count.map_err(|error| unreadable_file("the file", error))? == 0 {
            break;
        }
        let place = Place::Line { file: source.name.clone(), line: number };
        let text = if number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line) } else { &line };
        if !text.trim_ascii().is_empty() {
            sink(&source.split, place.clone(), parse(text, &place)?)?;
        }
    }
    Ok(())
}

fn parse(line: &[u8], place: &Place) -> Result<Row> {
    if line.len() > MAX_ROW_BYTES {
        return Err(malformed(place, &format!("it has more than {MAX_ROW_BYTES} bytes")));
    }
    match serde_json::from_slice(line) {
        Ok(Value::Object(row)) => Ok(row),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(malformed(place, "it is no object (`{..}`)"))
        }
        Err(error) => Err(malformed(place, &format!("it is no JSON: {error}")).with_source(error)),
    }
}

fn malformed(place: &Place, why: &str) -> Error {
    Error::invalid("UNREADABLE_DATASET", "", format!("{place} cannot be read: {why}"))
}
