//! A share of correct answers with its interval.

use serde::Serialize;

use crate::client::table;
use crate::pb::v1;

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct AccuracyView {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) correct: i64,
    pub(crate) total: i64,
}

impl AccuracyView {
    /// None where there was nothing to count.
    pub(crate) fn of(accuracy: Option<&v1::Accuracy>) -> Option<Self> {
        let v1::Accuracy { correct, total, value, low, high } = *accuracy?;
        (total > 0).then_some(Self { value, low, high, correct, total })
    }

    pub(crate) fn text(self) -> String {
        table::percent_within(self.value, self.low, self.high)
    }
}

/// Of an optional figure.
pub(super) fn text(accuracy: Option<AccuracyView>) -> String {
    accuracy.map_or_else(|| table::ABSENT.to_owned(), AccuracyView::text)
}
