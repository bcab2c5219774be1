//! The classes of a dataset: from the labels of a source to indices, names and counts.

use std::collections::HashMap;

use crate::domain::{Error, Result};

use super::sample::{Place, RawLabel};

const MAX_SHOWN: usize = 20;
const MAX_SHOWN_CHARACTERS: usize = 80;
/// Of a name: it stands in tables, files' names and prompts.
const MAX_CHARACTERS: usize = 256;

/// Turns labels into class indices. Without names every index up to the limit is a class.
#[derive(Debug)]
pub(super) struct Classes {
    names: Option<Vec<String>>,
    by_name: HashMap<String, u32>,
    limit: usize,
    /// One more than the highest index met.
    met: u32,
}

impl Classes {
    /// The names of the request, else those of the source, else none.
    pub(super) fn new(asked: &[String], found: Option<&[String]>, limit: usize) -> Result<Self> {
        let names = if asked.is_empty() { found } else { Some(asked) };
        let mut by_name = HashMap::new();
        for (index, name) in (0_u32..).zip(names.unwrap_or_default()) {
            if !is_usable(name) || by_name.insert(name.clone(), index).is_some() {
                let field = if asked.is_empty() { String::new() } else { format!("class_names[{index}]") };
                let shown: String = name.chars().take(MAX_SHOWN_CHARACTERS).collect();
                let why = format!(
                    "class {index} is called {shown:?}; every class needs a name of its own, of 1 to {MAX_CHARACTERS} printable characters"
                );
                return Err(Error::invalid("INVALID_CLASS_NAME", field, why));
            }
        }
        if by_name.len() > limit {
            let why = format!("{} classes; at most {limit}", by_name.len());
            return Err(Error::invalid("TOO_MANY_CLASSES", "class_names", why));
        }
        Ok(Self { names: names.map(<[String]>::to_vec), by_name, limit, met: 0 })
    }

    pub(super) fn index(&mut self, label: &RawLabel, place: &Place) -> Result<u32> {
        let index = match label {
            RawLabel::Index(index) => self.checked_index(*index, place)?,
            RawLabel::Name(name) => self.named_index(name, place)?,
        };
        self.met = self.met.max(index + 1);
        Ok(index)
    }

    fn checked_index(&self, index: i64, place: &Place) -> Result<u32> {
        let count = self.names.as_ref().map_or(self.limit, Vec::len);
        u32::try_from(index).ok().filter(|index| (*index as usize) < count).ok_or_else(|| {
            let why = format!("the label of {place} is {index}; labels must be 0 to {}", count.saturating_sub(1));
            Error::invalid("LABEL_OUT_OF_RANGE", "", why)
        })
    }

    fn named_index(&self, name: &str, place: &Place) -> Result<u32> {
        self.by_name.get(name).copied().ok_or_else(|| {
            let names = listed(self.names.as_deref().unwrap_or_default());
            Error::invalid("UNKNOWN_LABEL", "", format!("the label of {place} is `{name}`; the classes are {names}"))
        })
    }

    /// The names of all classes: decimal indices where the source has none.
    pub(super) fn into_names(self) -> Vec<String> {
        self.names.unwrap_or_else(|| (0..self.met).map(|index| index.to_string()).collect())
    }
}

fn is_usable(name: &str) -> bool {
    (1..=MAX_CHARACTERS).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// The distinct labels of a source whose labels are text: those that are numbers by value, then the others.
pub(super) fn names_of(mut labels: Vec<String>) -> Vec<String> {
    let rank = |label: &str| label.parse::<i64>().map_or((true, 0), |value| (false, value));
    labels.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.cmp(b)));
    labels.dedup();
    labels
}

/// "`a`, `b` and 3 more"
pub(super) fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(MAX_SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(MAX_SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Numbers by value and the others by letters is no order where both are mixed (`10` < `9a`, `9` < `10`, `9` < `9a`).
        #[test]
        fn classes_have_one_order_however_their_labels_come(mut labels in proptest::collection::vec("[0-9a]{1,3}", 0..120)) {
            let names = names_of(labels.clone());
            labels.reverse();
            prop_assert_eq!(&names, &names_of(labels));
            let numbers: Vec<i64> = names.iter().map_while(|name| name.parse().ok()).collect();
            prop_assert!(numbers.is_sorted() && names[numbers.len()..].iter().all(|name| name.parse::<i64>().is_err()));
        }
    }
}
