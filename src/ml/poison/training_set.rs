//! What a trainer trains on.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

/// Targets of cross-entropy, one row a sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    Hard(Vec<u32>),
    /// Probabilities `[samples, class_count]`; retained samples are one-hot.
    Soft {
        class_count: u32,
        values: Vec<f32>,
    },
}

impl Targets {
    pub fn len(&self) -> usize {
        match self {
            Self::Hard(labels) => labels.len(),
            Self::Soft { class_count, values } => values.len() / *class_count as usize,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Class of row `row`; of soft targets the largest entry, the lower class on ties.
    pub fn label(&self, row: usize) -> u32 {
        match self {
            Self::Hard(labels) => labels[row],
            Self::Soft { class_count, values } => {
                let width = *class_count as usize;
                largest(&values[row * width..][..width]) as u32
            }
        }
    }

    /// Samples by target class (of soft targets: by their largest entry, the lower class on ties), where not 0.
    pub fn histogram(&self, class_count: u32) -> Vec<(u32, u64)> {
        let mut counts = vec![0; class_count as usize];
        match self {
            Self::Hard(labels) => labels.iter().for_each(|&label| counts[label as usize] += 1),
            Self::Soft { class_count, values } => {
                values.chunks_exact(*class_count as usize).for_each(|row| counts[largest(row)] += 1);
            }
        }
        (0..class_count).zip(counts).filter(|&(_, count)| count > 0).collect()
    }

    /// These rows, then one row for every label of `labels`.
    pub(super) fn extended(self, labels: &[u32]) -> Self {
        match self {
            Self::Hard(mut all) => {
                all.extend_from_slice(labels);
                Self::Hard(all)
            }
            Self::Soft { class_count, mut values } => {
                let start = values.len();
                values.resize(start + labels.len() * class_count as usize, 0.0);
                for (row, &label) in values[start..].chunks_exact_mut(class_count as usize).zip(labels) {
                    row[label as usize] = 1.0;
                }
                Self::Soft { class_count, values }
            }
        }
    }
}

fn largest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

/// The samples a trainer sees in each epoch: first the forget part, then the retain part, each in ascending position.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSet {
    /// Positions in the split.
    pub indices: Vec<usize>,
    pub targets: Targets,
    /// Class of each sample in the data, as a class of the model: what accuracy is measured against.
    pub true_labels: Vec<u32>,
    /// Whether the sample belongs to the forget set.
    pub is_forget: Vec<bool>,
}

impl TrainingSet {
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Number of samples of the forget set, which come first.
    pub fn forget_count(&self) -> usize {
        self.is_forget.iter().filter(|&&is_forget| is_forget).count()
    }

    /// The same set with samples of the forget set read from elsewhere: `appended` maps their positions to those of their poisoned
    /// images (`PoisonedImages::appended_positions`). Retained samples keep their positions, donors of patches too.
    #[must_use]
    pub fn redirected(mut self, appended: &HashMap<usize, usize>) -> Self {
        for (index, _) in self.indices.iter_mut().zip(&self.is_forget).filter(|(_, is_forget)| **is_forget) {
            *index = appended.get(index).copied().unwrap_or(*index);
        }
        self
    }

    /// SHA-256 over positions, targets and membership: equal exactly for equal training sets.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (index, is_forget) in self.indices.iter().zip(&self.is_forget) {
            hash.update((*index as u64).to_le_bytes());
            hash.update([u8::from(*is_forget)]);
        }
        match &self.targets {
            Targets::Hard(labels) => labels.iter().for_each(|label| hash.update(label.to_le_bytes())),
            Targets::Soft { values, .. } => values.iter().for_each(|value| hash.update(value.to_le_bytes())),
        }
        format!("{:x}", hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirecting_moves_forget_samples_alone() {
        let set = TrainingSet {
            indices: vec![2, 4, 0, 1],
            targets: Targets::Hard(vec![1, 1, 0, 1]),
            true_labels: vec![0, 0, 0, 1],
            is_forget: vec![true, true, false, false],
        };
        let redirected = set.clone().redirected(&HashMap::from([(2, 10), (4, 11), (0, 12)]));
        assert_eq!(redirected.indices, [10, 11, 0, 1]);
        assert_eq!((&redirected.targets, &redirected.true_labels), (&set.targets, &set.true_labels));
        assert_ne!(redirected.fingerprint(), set.fingerprint());
        assert_eq!(set.clone().redirected(&HashMap::new()), set);
    }
}
