//! common.proto, and the fields that requests share.

use std::time::SystemTime;

use uuid::Uuid;

use super::fields::{at_most, count, known, number, parsed, required, required_text, wire_count};
use crate::domain::dataset::{DataSource, Predicate, Selector};
use crate::domain::evaluation::Provenance;
use crate::domain::finetune::Precision;
use crate::domain::ids::ModelRef;
use crate::domain::{Error, Result};
use crate::engine::PageRequest;
use crate::pb::v1 as pb;

/// Largest number of classes, and of predicates, that a selector may name.
const MAX_SELECTOR_TERMS: usize = 10_000;
/// Largest number of positions that a selector may list; larger sets are ranges, fractions or columns.
const MAX_SELECTOR_INDICES: usize = 5_000_000;
const MAX_NAME_BYTES: usize = 255;

impl TryFrom<pb::DataSource> for DataSource {
    type Error = Error;

    fn try_from(value: pb::DataSource) -> Result<Self> {
        let pb::DataSource { dataset, split } = value;
        Ok(Self { dataset: parsed(&dataset, "dataset")?, split: short_text(split, "split")? })
    }
}

impl From<DataSource> for pb::DataSource {
    fn from(value: DataSource) -> Self {
        let DataSource { dataset, split } = value;
        Self { dataset: dataset.to_string(), split }
    }
}

/// A source that must be there, with `field` before every path.
pub(super) fn required_source(source: Option<pb::DataSource>, field: &str) -> Result<DataSource> {
    DataSource::try_from(required(source, field)?).map_err(|error| error.under(field))
}

impl TryFrom<pb::Selector> for Selector {
    type Error = Error;

    fn try_from(value: pb::Selector) -> Result<Self> {
        let pb::Selector { classes, indices, predicates } = value;
        at_most(classes.len(), MAX_SELECTOR_TERMS, "classes")?;
        at_most(indices.len(), MAX_SELECTOR_INDICES, "indices")?;
        at_most(predicates.len(), MAX_SELECTOR_TERMS, "predicates")?;
        Ok(Self {
            classes: each(classes, "classes", |class| required_text(class, ""))?,
            indices: each(indices, "indices", |index| count(index, ""))?,
            predicates: each(predicates, "predicates", Predicate::try_from)?,
        })
    }
}

impl From<Selector> for pb::Selector {
    fn from(value: Selector) -> Self {
        let Selector { classes, indices, predicates } = value;
        Self {
            classes,
            indices: indices.into_iter().map(wire_count).collect(),
            predicates: predicates.into_iter().map(Into::into).collect(),
        }
    }
}

/// An absent selector is an empty one.
pub(super) fn selector(value: Option<pb::Selector>, field: &str) -> Result<Selector> {
    Selector::try_from(value.unwrap_or_default()).map_err(|error| error.under(field))
}

impl TryFrom<pb::Predicate> for Predicate {
    type Error = Error;

    fn try_from(value: pb::Predicate) -> Result<Self> {
        use pb::predicate::{ColumnEquals, Condition, Fraction, IndexRange};
        let pb::Predicate { condition } = value;
        match required(condition, "condition")? {
            Condition::IndexRange(IndexRange { start, end }) => {
                index_range(start, end).map_err(|error| error.under("index_range"))
            }
            Condition::Fraction(Fraction { fraction, seed }) => {
                Ok(Self::Fraction { fraction: positive_share(fraction, "fraction.fraction")?, seed })
            }
            Condition::ColumnEquals(ColumnEquals { column, value }) => {
                Ok(Self::ColumnEquals { column: required_text(column, "column_equals.column")?, value })
            }
        }
    }
}

fn index_range(start: i64, end: i64) -> Result<Predicate> {
    let (first, last) = (count(start, "start")?, count(end, "end")?);
    if first >= last {
        return Err(Error::invalid("EMPTY_RANGE", "end", format!("is {end}; it must be above start ({start})")));
    }
    Ok(Predicate::IndexRange { start: first, end: last })
}

impl From<Predicate> for pb::Predicate {
    fn from(value: Predicate) -> Self {
        use pb::predicate::{ColumnEquals, Condition, Fraction, IndexRange};
        let condition = match value {
            Predicate::IndexRange { start, end } => {
                Condition::IndexRange(IndexRange { start: wire_count(start), end: wire_count(end) })
            }
            Predicate::Fraction { fraction, seed } => Condition::Fraction(Fraction { fraction, seed }),
            Predicate::ColumnEquals { column, value } => Condition::ColumnEquals(ColumnEquals { column, value }),
        };
        Self { condition: Some(condition) }
    }
}

/// A share in (0, 1].
pub(super) fn positive_share(value: f64, field: &str) -> Result<f64> {
    number(value, |share| share > 0.0 && share <= 1.0, "above 0 and at most 1", field)
}

impl From<Provenance> for pb::Provenance {
    fn from(value: Provenance) -> Self {
        let Provenance { model_hash, data_hashes, config_hash, seed, code_version } = value;
        Self { model_hash, data_hashes, config_hash, seed, code_version }
    }
}

pub(super) fn precision(number: i32, field: &str) -> Result<Precision> {
    Ok(match known(number, field)? {
        pb::Precision::Unspecified | pb::Precision::F32 => Precision::F32,
        pb::Precision::Bf16 => Precision::Bf16,
    })
}

impl From<Precision> for pb::Precision {
    fn from(value: Precision) -> Self {
        match value {
            Precision::F32 => Self::F32,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

/// A model or version that may be left out.
pub(in crate::rpc) fn optional_model(name: &str, field: &str) -> Result<Option<ModelRef>> {
    if name.is_empty() { Ok(None) } else { parsed(name, field).map(Some) }
}

/// AIP-155: empty, or a UUID.
pub(in crate::rpc) fn request_id(value: String) -> Result<Option<String>> {
    if value.is_empty() {
        return Ok(None);
    }
    match Uuid::parse_str(&value) {
        Ok(id) => Ok(Some(id.to_string())),
        Err(_) => Err(Error::invalid("INVALID_REQUEST_ID", "request_id", "must be a UUID or empty")),
    }
}

/// AIP-158: a negative size is refused; the engine knows default and limit.
pub(in crate::rpc) fn page_request(size: i32, token: String) -> Result<PageRequest> {
    let size = u32::try_from(size)
        .map_err(|_| Error::invalid("OUT_OF_RANGE", "page_size", format!("is {size}; it must be at least 0")))?;
    Ok(PageRequest { size, token })
}

/// Converts each entry, with `field[index]` before the paths of its errors.
pub(super) fn each<T, U>(values: Vec<T>, field: &str, convert: impl Fn(T) -> Result<U>) -> Result<Vec<U>> {
    let mut converted = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        converted.push(convert(value).map_err(|error| error.under(&format!("{field}[{index}]")))?);
    }
    Ok(converted)
}

/// Free text that ends up in a file name, a column or a log line: bounded and on one line.
pub(super) fn words(value: String, field: &str) -> Result<String> {
    required_text(value.trim().to_owned(), field)?;
    short_text(value, field)
}

pub(super) fn short_text(value: String, field: &str) -> Result<String> {
    if value.len() > MAX_NAME_BYTES || value.chars().any(char::is_control) {
        let rule = format!("must be one line of at most {MAX_NAME_BYTES} bytes");
        return Err(Error::invalid("INVALID_TEXT", field, rule));
    }
    Ok(value)
}

pub(in crate::rpc) fn timestamp(time: SystemTime) -> Option<prost_types::Timestamp> {
    Some(time.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predicate(condition: pb::predicate::Condition) -> pb::Selector {
        pb::Selector { predicates: vec![pb::Predicate { condition: Some(condition) }], ..pb::Selector::default() }
    }

    fn violated(value: pb::Selector) -> String {
        selector(Some(value), "poison.forget").unwrap_err().violations[0].field.clone()
    }

    #[test]
    fn a_selector_names_the_entry_that_is_wrong() {
        let empty_class = pb::Selector { classes: vec!["cat".into(), String::new()], ..pb::Selector::default() };
        assert_eq!(violated(empty_class), "poison.forget.classes[1]");
        let negative = pb::Selector { indices: vec![-1], ..pb::Selector::default() };
        assert_eq!(violated(negative), "poison.forget.indices[0]");
        let none = pb::Selector { predicates: vec![pb::Predicate::default()], ..pb::Selector::default() };
        assert_eq!(violated(none), "poison.forget.predicates[0].condition");
    }

    #[test]
    fn predicates_are_checked() {
        use pb::predicate::{Condition, Fraction, IndexRange};
        let backwards = predicate(Condition::IndexRange(IndexRange { start: 5, end: 5 }));
        assert_eq!(violated(backwards), "poison.forget.predicates[0].index_range.end");
        for fraction in [0.0, -0.5, 1.5, f64::NAN] {
            let wrong = predicate(Condition::Fraction(Fraction { fraction, seed: 0 }));
            assert_eq!(violated(wrong), "poison.forget.predicates[0].fraction.fraction");
        }
    }

    #[test]
    fn request_ids_are_uuids_in_one_spelling() {
        let upper = "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11";
        assert_eq!(request_id(upper.into()).unwrap(), Some(upper.to_lowercase()));
        assert_eq!(request_id(String::new()).unwrap(), None);
        assert_eq!(request_id("again".into()).unwrap_err().violations[0].field, "request_id");
    }

    #[test]
    fn negative_page_sizes_are_refused() {
        assert_eq!(page_request(-1, String::new()).unwrap_err().violations[0].field, "page_size");
    }
}
