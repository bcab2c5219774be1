//! Conditions on samples: how flags say them, and how they are joined to a selector.

use crate::pb::v1::predicate::{ColumnEquals, Condition, Fraction, IndexRange};
use crate::pb::v1::{Predicate, Selector};

/// Every stated kind of condition must hold.
#[derive(Debug)]
pub(super) struct Conditions<'a> {
    pub(super) classes: &'a [String],
    pub(super) indices: &'a [i64],
    pub(super) range: Option<IndexRange>,
    pub(super) fraction: Option<f64>,
    pub(super) columns: &'a [ColumnEquals],
}

impl Conditions<'_> {
    /// None when nothing is stated.
    pub(super) fn selector(self, seed: u64) -> Option<Selector> {
        let range = self.range.map(Condition::IndexRange);
        let fraction = self.fraction.map(|fraction| Condition::Fraction(Fraction { fraction, seed }));
        let columns = self.columns.iter().cloned().map(Condition::ColumnEquals);
        let conditions = range.into_iter().chain(fraction).chain(columns);
        let selector = Selector {
            classes: self.classes.to_vec(),
            indices: self.indices.to_vec(),
            predicates: conditions.map(|condition| Predicate { condition: Some(condition) }).collect(),
        };
        (selector != Selector::default()).then_some(selector)
    }
}

/// `START:END`
pub(super) fn range(text: &str) -> Result<IndexRange, String> {
    let ends = text.split_once(':').and_then(|(start, end)| Some((start.parse().ok()?, end.parse().ok()?)));
    let (start, end) = ends.ok_or_else(|| format!("`{text}` is not START:END"))?;
    Ok(IndexRange { start, end })
}

/// `COLUMN=VALUE`
pub(super) fn column(text: &str) -> Result<ColumnEquals, String> {
    let (column, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not COLUMN=VALUE"))?;
    Ok(ColumnEquals { column: column.to_owned(), value: value.to_owned() })
}
