//! The split divided into what is forgotten and what is retained, and which classes may still be named afterwards.

use crate::domain::{Error, Result};

/// A split divided in two disjoint, sorted sets of positions.
#[derive(Debug)]
pub(super) struct Population<'a> {
    pub(super) labels: &'a [u32],
    pub(super) class_count: u32,
    pub(super) class_names: &'a [String],
    pub(super) forget: Vec<usize>,
    pub(super) retain: Vec<usize>,
    forget_counts: Vec<u64>,
    retain_counts: Vec<u64>,
}

impl<'a> Population<'a> {
    /// `forget`: positions of the split, in any order.
    pub(super) fn divide(
        labels: &'a [u32],
        class_count: u32,
        class_names: &'a [String],
        forget: &[usize],
    ) -> Result<Self> {
        check_labels(labels, class_count)?;
        let is_forget = mark(forget, labels.len())?;
        let (forget, retain): (Vec<usize>, Vec<usize>) = (0..labels.len()).partition(|&position| is_forget[position]);
        debug_assert!(retain.iter().all(|position| forget.binary_search(position).is_err()), "the sets are disjoint");
        let forget_counts = count_classes(labels, &forget, class_count);
        let retain_counts = count_classes(labels, &retain, class_count);
        Ok(Self { labels, class_count, class_names, forget, retain, forget_counts, retain_counts })
    }

    pub(super) fn label(&self, position: usize) -> u32 {
        self.labels[position]
    }

    /// Classes with a sample in the forget set, with their number of samples there.
    pub(super) fn forget_counts(&self) -> Vec<(u32, u64)> {
        (0..self.class_count).zip(self.forget_counts.iter().copied()).filter(|&(_, count)| count > 0).collect()
    }

    pub(super) fn is_in_forget_set(&self, class: u32) -> bool {
        self.forget_counts[class as usize] > 0
    }

    /// Every sample of the class is forgotten.
    fn is_wholly_forgotten(&self, class: u32) -> bool {
        self.is_in_forget_set(class) && self.retain_counts[class as usize] == 0
    }

    /// Classes of which some samples are forgotten and some retained.
    pub(super) fn partial_classes(&self) -> Vec<u32> {
        (0..self.class_count)
            .filter(|&class| self.is_in_forget_set(class) && !self.is_wholly_forgotten(class))
            .collect()
    }

    /// Classes with no sample in the forget set: the only possible donors.
    pub(super) fn untouched_classes(&self) -> Vec<u32> {
        (0..self.class_count).filter(|&class| !self.is_in_forget_set(class)).collect()
    }

    /// Classes that a forgotten sample of `class` may be labelled as. Where the forget set reaches into every class, those that keep
    /// samples are allowed too, except the sample's own.
    pub(super) fn alternatives(&self, class: u32) -> Vec<u32> {
        let untouched = self.untouched_classes();
        if !untouched.is_empty() {
            return untouched;
        }
        (0..self.class_count).filter(|&other| other != class && !self.is_wholly_forgotten(other)).collect()
    }

    /// Name of a class for messages, else its index.
    pub(super) fn class_name(&self, class: u32) -> String {
        self.class_names.get(class as usize).cloned().unwrap_or_else(|| class.to_string())
    }

    pub(super) fn class_list(&self, classes: &[u32]) -> String {
        classes.iter().map(|&class| format!("`{}`", self.class_name(class))).collect::<Vec<_>>().join(", ")
    }

    /// A class given by name or decimal index.
    pub(super) fn resolve_class(&self, text: &str, field: &str) -> Result<u32> {
        if let Some(found) = self.class_names.iter().position(|name| name == text) {
            return Ok(found as u32);
        }
        text.parse().ok().filter(|&index: &u32| index < self.class_count).ok_or_else(|| {
            let all: Vec<u32> = (0..self.class_count.min(50)).collect();
            Error::invalid(
                "UNKNOWN_CLASS",
                field,
                format!("the model has no class `{text}`; its classes are {}", self.class_list(&all)),
            )
        })
    }
}

fn check_labels(labels: &[u32], class_count: u32) -> Result<()> {
    let Some(position) = labels.iter().position(|&label| label >= class_count) else { return Ok(()) };
    let description = format!(
        "sample {position} has class {} but the model has {class_count} classes; use a dataset and a model of the same classes",
        labels[position]
    );
    let message = format!("train: {description}");
    Err(Error::failed_precondition("CLASS_COUNT_MISMATCH", message).with_violation("train", description))
}

fn mark(forget: &[usize], sample_count: usize) -> Result<Vec<bool>> {
    let mut is_forget = vec![false; sample_count];
    for &position in forget {
        *is_forget.get_mut(position).ok_or_else(|| {
            Error::invalid(
                "INDEX_OUT_OF_RANGE",
                "forget",
                format!("position {position} is outside the split, which has {sample_count} samples"),
            )
        })? = true;
    }
    Ok(is_forget)
}

fn count_classes(labels: &[u32], positions: &[usize], class_count: u32) -> Vec<u64> {
    let mut counts = vec![0; class_count as usize];
    for &position in positions {
        counts[labels[position] as usize] += 1;
    }
    counts
}
