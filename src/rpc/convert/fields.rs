//! The checks that fields have in common.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::domain::{Error, Result};

/// A message field that must be there.
pub(in crate::rpc) fn required<T>(value: Option<T>, field: &str) -> Result<T> {
    value.ok_or_else(|| missing(field))
}

/// A text field that must not be empty.
pub(super) fn required_text(value: String, field: &str) -> Result<String> {
    if value.is_empty() { Err(missing(field)) } else { Ok(value) }
}

fn missing(field: &str) -> Error {
    Error::invalid("MISSING_FIELD", field, "is required")
}

/// A resource name or id that must be there.
pub(in crate::rpc) fn parsed<T: FromStr<Err = Error>>(name: &str, field: &str) -> Result<T> {
    if name.is_empty() {
        return Err(missing(field));
    }
    name.parse().map_err(|error: Error| error.under(field))
}

/// A number of the wire as a value of its enumeration; numbers that this version does not know are refused.
pub(super) fn known<E: TryFrom<i32>>(number: i32, field: &str) -> Result<E> {
    E::try_from(number).map_err(|_| {
        Error::invalid(
            "UNKNOWN_ENUM_VALUE",
            field,
            format!("{number} is no value of this enumeration; see the proto file"),
        )
    })
}

/// A count or position: not negative.
pub(super) fn count(value: i64, field: &str) -> Result<u64> {
    u64::try_from(value).map_err(|_| out_of_range(field, value, "at least 0"))
}

/// What was stated; 0 says nothing.
pub(super) fn or(stated: u32, default: u32) -> u32 {
    if stated == 0 { default } else { stated }
}

/// A whole number inside a range.
pub(super) fn within(value: u32, range: RangeInclusive<u32>, field: &str) -> Result<u32> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(out_of_range(field, value, &format!("from {} to {}", range.start(), range.end())))
}

/// A finite number for which `allowed` holds; `rule` says in words what that is.
pub(super) fn number(value: f64, allowed: impl Fn(f64) -> bool, rule: &str, field: &str) -> Result<f64> {
    if value.is_finite() && allowed(value) { Ok(value) } else { Err(out_of_range(field, value, rule)) }
}

/// A share, from 0 to 1.
pub(super) fn share(value: f64, field: &str) -> Result<f64> {
    number(value, |share| (0.0..=1.0).contains(&share), "from 0 to 1", field)
}

/// At most `limit` entries, so that a request cannot make the daemon do unbounded work.
pub(super) fn at_most(length: usize, limit: usize, field: &str) -> Result<()> {
    if length <= limit { Ok(()) } else { Err(out_of_range(field, length, &format!("at most {limit} entries"))) }
}

fn out_of_range(field: &str, value: impl Display, rule: &str) -> Error {
    Error::invalid("OUT_OF_RANGE", field, format!("is {value}; it must be {rule}"))
}

/// Wire counts are signed; ours stay far below the limit.
pub(super) fn wire_count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_a_number_is_out_of_every_range() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = number(value, |_| true, "finite", "trainer.learning_rate").unwrap_err();
            assert_eq!(error.violations[0].field, "trainer.learning_rate");
        }
    }

    #[test]
    fn violations_name_value_and_rule() {
        let error = within(0, 1..=10_000, "epochs").unwrap_err();
        assert_eq!(error.message, "epochs: is 0; it must be from 1 to 10000");
    }
}
