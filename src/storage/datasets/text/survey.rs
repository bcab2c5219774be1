//! The first passes over a source: which columns its rows have, and which labels.

use std::collections::HashSet;

use serde_json::Value;

use crate::domain::{Error, Result};
use crate::storage::datasets::classes::names_of;
use crate::storage::datasets::limits::Limits;
use crate::storage::datasets::sample::{Place, RawLabel};

use super::table::Table;

const MAX_COLUMNS: usize = 256;

/// Columns in the order in which they are met.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) columns: Vec<String>,
    /// Columns with a list or an object in some row.
    nested: HashSet<String>,
    pub(super) rows: u64,
}

impl Survey {
    pub(super) fn of(table: &dyn Table, limits: &Limits) -> Result<Self> {
        let mut survey = Self::default();
        table.rows(&mut |_, place, row| survey.note(&place, &row, limits))?;
        Ok(survey)
    }

    fn note(&mut self, place: &Place, row: &super::table::Row, limits: &Limits) -> Result<()> {
        self.rows += 1;
        if self.rows > limits.samples {
            return Err(Error::invalid("DATASET_TOO_LARGE", "uri", format!("more than {} rows", limits.samples)));
        }
        for (name, value) in row {
            if !self.columns.contains(name) {
                if self.columns.len() == MAX_COLUMNS {
                    let why = format!("{place} has more than {MAX_COLUMNS} columns with those before it");
                    return Err(Error::invalid("TOO_MANY_COLUMNS", "uri", why));
                }
                self.columns.push(name.clone());
            }
            if (value.is_array() || value.is_object()) && !self.nested.contains(name) {
                self.nested.insert(name.clone());
            }
        }
        Ok(())
    }

    pub(super) fn is_scalar(&self, column: &str) -> bool {
        !self.nested.contains(column)
    }
}

/// The distinct labels of a column, sorted, where they are names; `None` where all are whole numbers.
pub(super) fn label_names(table: &dyn Table, column: &str, limits: &Limits) -> Result<Option<Vec<String>>> {
    let (mut names, mut numeric) = (HashSet::new(), true);
    table.rows(&mut |_, place, row| {
        let text = label_text(row.get(column), &place, column)?;
        numeric &= text.parse::<i64>().is_ok();
        if names.len() <= limits.classes {
            names.insert(text);
        }
        Ok(())
    })?;
    Ok((!numeric).then(|| names_of(names.into_iter().collect())))
}

/// A label as `Classes` takes it: a name where the source has names.
pub(super) fn raw_label(value: Option<&Value>, named: bool, place: &Place, column: &str) -> Result<RawLabel> {
    let text = label_text(value, place, column)?;
    match text.parse() {
        Ok(index) if !named => Ok(RawLabel::Index(index)),
        Ok(_) | Err(_) => Ok(RawLabel::Name(text)),
    }
}

fn label_text(value: Option<&Value>, place: &Place, column: &str) -> Result<String> {
    let text = match value {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(yes)) => u8::from(*yes).to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    };
    if text.is_empty() {
        return Err(Error::invalid("LABEL_OUT_OF_RANGE", "", format!("{place} has no label in `{column}`")));
    }
    Ok(text)
}
