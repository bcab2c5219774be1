//! Which samples make up which batch: a function of (seed, epoch) alone.

use rand::seq::SliceRandom;

use crate::domain::finetune::Method;
use crate::ml::poison::TrainingSet;
use crate::ml::random::{Purpose, stream};

/// How the samples of a batch weigh in its loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Weighting {
    /// All alike.
    Mean,
    /// The first `retain` are retained samples, `forget` forgotten ones follow (NegGrad+).
    Opposed { retain: usize, forget: usize },
}

/// Rows `start..end` of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) weighting: Weighting,
}

/// One epoch: rows of the training set in the order they are trained on, cut into batches.
#[derive(Debug, Default)]
pub(super) struct Epoch {
    pub(super) rows: Vec<usize>,
    pub(super) batches: Vec<Batch>,
}

impl Epoch {
    pub(super) fn rows_of(&self, batch: Batch) -> &[usize] {
        &self.rows[batch.start..batch.end]
    }
}

/// The order of the whole run.
#[derive(Debug, Clone)]
pub(super) struct DataOrder {
    method: Method,
    forget: Vec<usize>,
    retain: Vec<usize>,
    batch_size: usize,
    /// A batch of one sample has no variance: it joins the one before.
    join_single: bool,
    seed: u64,
}

impl DataOrder {
    pub(super) fn new(training: &TrainingSet, method: Method, batch_size: u32, join_single: bool, seed: u64) -> Self {
        let (forget, retain) = (0..training.len()).partition(|&row| training.is_forget[row]);
        Self { method, forget, retain, batch_size: batch_size.max(1) as usize, join_single, seed }
    }

    /// The same for every epoch.
    pub(super) fn steps_per_epoch(&self) -> u64 {
        let joint = self.forget.len() + self.retain.len();
        let batches = |samples| self.cut(0, samples).len() as u64;
        match self.method {
            Method::Poison | Method::Train | Method::Retrain | Method::Finetune => batches(joint),
            Method::RandomLabel => batches(self.forget.len()) + batches(self.retain.len()),
            Method::NegGradPlus => batches(self.retain.len()),
        }
    }

    pub(super) fn epoch(&self, epoch: u64) -> Epoch {
        let mut random = stream(self.seed, Purpose::Shuffle, epoch);
        let mut shuffled = |rows: &[usize]| {
            let mut rows = rows.to_vec();
            rows.shuffle(&mut random);
            rows
        };
        match self.method {
            Method::Poison | Method::Train | Method::Retrain | Method::Finetune => {
                let rows = shuffled(&[self.forget.as_slice(), &self.retain].concat());
                let batches = self.cut(0, rows.len());
                Epoch { rows, batches }
            }
            Method::RandomLabel => {
                let rows = [shuffled(&self.forget), shuffled(&self.retain)].concat();
                let mut batches = self.cut(0, self.forget.len());
                batches.extend(self.cut(self.forget.len(), rows.len()));
                Epoch { rows, batches }
            }
            Method::NegGradPlus => self.opposed(&shuffled(&self.retain), &shuffled(&self.forget)),
        }
    }

    /// Every batch of retained samples with one of forgotten ones, which start over when they run out.
    fn opposed(&self, retain: &[usize], forget: &[usize]) -> Epoch {
        let mut forgotten = forget.iter().copied().cycle();
        let mut epoch = Epoch::default();
        for batch in self.cut(0, retain.len()) {
            let start = epoch.rows.len();
            let forget_count = self.batch_size.min(forget.len());
            epoch.rows.extend_from_slice(&retain[batch.start..batch.end]);
            epoch.rows.extend(forgotten.by_ref().take(forget_count));
            let weighting = Weighting::Opposed { retain: batch.end - batch.start, forget: forget_count };
            epoch.batches.push(Batch { start, end: epoch.rows.len(), weighting });
        }
        epoch
    }

    /// `start..end` in batches.
    fn cut(&self, start: usize, end: usize) -> Vec<Batch> {
        let mut batches: Vec<Batch> = (start..end)
            .step_by(self.batch_size)
            .map(|from| Batch { start: from, end: end.min(from + self.batch_size), weighting: Weighting::Mean })
            .collect();
        let single = batches.last().is_some_and(|last| last.end - last.start == 1);
        if self.join_single && single && batches.len() > 1 {
            batches.pop();
            batches.last_mut().expect("one of at least two batches was taken").end = end;
        }
        batches
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ml::poison::Targets;

    fn training(forget: usize, retain: usize) -> TrainingSet {
        let count = forget + retain;
        TrainingSet {
            indices: (0..count).collect(),
            targets: Targets::Hard(vec![0; count]),
            true_labels: vec![0; count],
            is_forget: (0..count).map(|row| row < forget).collect(),
        }
    }

    proptest! {
        #[test]
        fn an_epoch_covers_the_retained_samples_once(
            forget in 1_usize..30, retain in 1_usize..60, size in 1_u32..20, join: bool, epoch in 0_u64..5,
        ) {
            for method in [Method::Poison, Method::RandomLabel, Method::NegGradPlus] {
                let order = DataOrder::new(&training(forget, retain), method, size, join, 3);
                let epoch = order.epoch(epoch);
                prop_assert_eq!(epoch.batches.len() as u64, order.steps_per_epoch());
                let mut seen: Vec<usize> = epoch.batches.iter().flat_map(|&batch| epoch.rows_of(batch)).copied().collect();
                seen.retain(|&row| row >= forget);
                seen.sort_unstable();
                prop_assert_eq!(seen, (forget..forget + retain).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn epochs_differ_and_repeat_by_seed() {
        let order = DataOrder::new(&training(5, 20), Method::Poison, 4, false, 3);
        assert_eq!(order.epoch(1).rows, order.epoch(1).rows);
        assert_ne!(order.epoch(1).rows, order.epoch(2).rows);
    }

    #[test]
    fn random_label_trains_on_the_forget_part_first() {
        let epoch = DataOrder::new(&training(5, 20), Method::RandomLabel, 4, false, 3).epoch(0);
        assert!(epoch.rows[..5].iter().all(|&row| row < 5));
    }

    #[test]
    fn a_single_last_sample_joins_the_batch_before() {
        let order = DataOrder::new(&training(0, 9), Method::Train, 4, true, 3);
        assert_eq!(order.steps_per_epoch(), 2);
        assert_eq!(order.epoch(0).batches[1], Batch { start: 4, end: 9, weighting: Weighting::Mean });
    }

    #[test]
    fn opposed_batches_pair_retained_with_forgotten_samples() {
        let epoch = DataOrder::new(&training(3, 10), Method::NegGradPlus, 4, false, 3).epoch(0);
        for &batch in &epoch.batches {
            let Weighting::Opposed { retain, forget } = batch.weighting else { panic!("opposed") };
            assert!(epoch.rows_of(batch)[..retain].iter().all(|&row| row >= 3));
            assert!(epoch.rows_of(batch)[retain..].iter().all(|&row| row < 3));
            assert_eq!(forget, 3);
        }
    }
}
