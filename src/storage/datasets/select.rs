//! Which samples of a split a selector means. The same for every call: all stated conditions must hold, classes and indices
//! are sets, and a selection without samples is an error, because nothing sensible follows from it.

use std::collections::HashSet;
use std::path::Path;

use rand::Rng;

use crate::domain::dataset::{Predicate, Selector};
use crate::domain::{Error, Result};
use crate::ml::random::{Purpose, stream};

use super::classes::listed;
use super::manifest::StoredColumn;

/// What of a split selectors look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) split: &'a str,
    pub(super) count: usize,
    /// Class of each sample; empty where there are none.
    pub(super) labels: &'a [u32],
    pub(super) class_names: &'a [String],
    pub(super) columns: &'a [StoredColumn],
    pub(super) folder: &'a Path,
}

impl Rows<'_> {
    /// Positions that match every condition of `selector`, ascending and each once; an empty selector means all. Errors name
    /// the field relative to the selector (`classes[0]`, `predicates[1].fraction`).
    pub(super) fn select(&self, selector: &Selector) -> Result<Vec<usize>> {
        let Selector { classes, indices, predicates } = selector;
        let mut positions: Vec<usize> = (0..self.count).collect();
        if !classes.is_empty() {
            let classes = self.classes(classes)?;
            positions.retain(|position| classes.contains(&self.labels[*position]));
        }
        if !indices.is_empty() {
            let indices = self.indices(indices)?;
            positions.retain(|position| indices.contains(position));
        }
        for (number, predicate) in predicates.iter().enumerate() {
            self.retain(&mut positions, predicate).map_err(|error| error.under(&format!("predicates[{number}]")))?;
        }
        if positions.is_empty() {
            let why = format!("no sample of split `{}` meets all its conditions", self.split);
            return Err(Error::invalid("EMPTY_SELECTION", "", why));
        }
        Ok(positions)
    }

    fn classes(&self, classes: &[String]) -> Result<HashSet<u32>> {
        let present: HashSet<u32> = self.labels.iter().copied().collect();
        let checked = |(number, class): (usize, &String)| {
            let field = format!("classes[{number}]");
            let index = self.class_index(class).ok_or_else(|| self.unknown_class(class, field.clone(), &present))?;
            if present.contains(&index) {
                return Ok(index);
            }
            let why =
                format!("class `{class}` has no sample in split `{}`, which has {}", self.split, self.shown(&present));
            Err(Error::invalid("CLASS_ABSENT_FROM_SPLIT", field, why))
        };
        classes.iter().enumerate().map(checked).collect()
    }

    /// By name, else by decimal index.
    fn class_index(&self, class: &str) -> Option<u32> {
        let named = self.class_names.iter().position(|name| name == class);
        let index = named.or_else(|| class.parse().ok().filter(|index| *index < self.class_names.len()))?;
        u32::try_from(index).ok()
    }

    fn unknown_class(&self, class: &str, field: String, present: &HashSet<u32>) -> Error {
        let shown: String = class.chars().take(80).collect();
        let why = match self.class_names.is_empty() {
            true => {
                format!("no class `{shown}`, since split `{}` has no labels; choose by index or column", self.split)
            }
            false => format!("no class `{shown}`; split `{}` has {}", self.split, self.shown(present)),
        };
        Error::invalid("UNKNOWN_CLASS", field, why)
    }

    fn shown(&self, present: &HashSet<u32>) -> String {
        let names: Vec<String> = (0_u32..)
            .zip(self.class_names)
            .filter(|(index, _)| present.contains(index))
            .map(|(_, name)| name.clone())
            .collect();
        listed(&names)
    }

    fn indices(&self, indices: &[u64]) -> Result<HashSet<usize>> {
        let checked = |(number, index): (usize, &u64)| self.position(*index, &format!("indices[{number}]"), self.count);
        indices.iter().enumerate().map(checked).collect()
    }

    /// `index` as a position below `end`.
    fn position(&self, index: u64, field: &str, end: usize) -> Result<usize> {
        usize::try_from(index).ok().filter(|position| *position < end).ok_or_else(|| {
            let why = format!("{index} is out of range: split `{}` has {} samples", self.split, self.count);
            Error::invalid("INDEX_OUT_OF_RANGE", field, why)
        })
    }

    fn retain(&self, positions: &mut Vec<usize>, predicate: &Predicate) -> Result<()> {
        match predicate {
            Predicate::IndexRange { start, end } => {
                let range = self.range(*start, *end).map_err(|error| error.under("index_range"))?;
                positions.retain(|position| range.contains(position));
            }
            Predicate::Fraction { fraction, seed } => {
                check_fraction(*fraction)?;
                positions.retain(|position| is_in_share(*fraction, *seed, *position));
            }
            Predicate::ColumnEquals { column, value } => {
                let matching = self.matching(column, value)?;
                positions.retain(|position| matching.contains(position));
            }
        }
        Ok(())
    }

    fn range(&self, start: u64, end: u64) -> Result<std::ops::Range<usize>> {
        if start >= end {
            return Err(Error::invalid(
                "EMPTY_RANGE",
                "end",
                format!("{end} must be greater than start, which is {start}"),
            ));
        }
        Ok(self.position(start, "start", self.count)?..self.position(end, "end", self.count + 1)?)
    }

    fn matching(&self, column: &str, value: &str) -> Result<HashSet<usize>> {
        let Some(stored) = self.columns.iter().find(|stored| stored.name == column) else {
            let names: Vec<String> = self.columns.iter().map(|stored| stored.name.clone()).collect();
            let has = if names.is_empty() { "no further columns".to_owned() } else { listed(&names) };
            let shown: String = column.chars().take(80).collect();
            let why = format!("no column `{shown}`; the dataset has {has}");
            return Err(Error::invalid("UNKNOWN_COLUMN", "column_equals.column", why));
        };
        let values = stored.values.read(self.folder)?;
        let offsets = stored.offsets.read_offsets(self.folder, values.len() as u64)?;
        let text = |ends: &[u64]| {
            usize::try_from(ends[0]).ok().zip(usize::try_from(ends[1]).ok()).map(|(from, to)| &values[from..to])
        };
        let matching = offsets.windows(2).enumerate().filter(|(_, ends)| text(ends) == Some(value.as_bytes()));
        Ok(matching.map(|(position, _)| position).collect())
    }
}

fn check_fraction(fraction: f64) -> Result<()> {
    if fraction > 0.0 && fraction <= 1.0 {
        return Ok(());
    }
    Err(Error::invalid("FRACTION_OUT_OF_RANGE", "fraction", format!("{fraction} must be in (0, 1]")))
}

/// A larger share with the same seed contains every smaller one.
fn is_in_share(fraction: f64, seed: u64, position: usize) -> bool {
    stream(seed, Purpose::Fraction, position as u64).random::<f64>() < fraction
}
