//! Which samples make up which batch and step: a function of (seed, epoch) alone.

use rand::seq::SliceRandom;

use super::pool::Pool;
use crate::domain::text_training::{Objective, TextTrainerSpec};
use crate::ml::random::{Purpose, nested_stream, stream};

/// Batches among which samples are put in order of length, so that little is padded.
const SORTED_BATCHES: usize = 50;

/// What a batch is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Supervised,
    Forget,
    Retain,
}

/// The batches of one optimiser step, and what their losses are means over.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Step {
    pub(super) batches: Vec<(Part, Vec<usize>)>,
    forget: Count,
    /// Of `Supervised` as well.
    others: Count,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Count {
    pub(super) examples: usize,
    /// Labelled tokens, or one for each class.
    pub(super) scored: usize,
}

impl Step {
    pub(super) fn count(&self, part: Part) -> Count {
        match part {
            Part::Forget => self.forget,
            Part::Supervised | Part::Retain => self.others,
        }
    }

    fn add(&mut self, part: Part, batch: Vec<usize>, pool: &Pool) {
        let count = match part {
            Part::Forget => &mut self.forget,
            Part::Supervised | Part::Retain => &mut self.others,
        };
        count.examples += batch.len();
        count.scored += batch.iter().map(|&sample| pool.samples[sample].scored_count()).sum::<usize>();
        self.batches.push((part, batch));
    }
}

#[derive(Debug)]
pub(super) struct Order {
    seed: u64,
    batch_size: usize,
    accumulation: usize,
    is_supervised: bool,
    /// Retained samples of an epoch of `Supervised`.
    anchors: usize,
    has_retain_loss: bool,
}

impl Order {
    pub(super) fn new(pool: &Pool, trainer: &TextTrainerSpec) -> Self {
        let retained = pool.samples.len() - pool.forget_count;
        let wanted = (pool.forget_count as f64 * trainer.retain_ratio).round() as usize;
        let weight = match trainer.objective {
            Objective::Supervised => None,
            Objective::GradDiff { alpha, .. }
            | Objective::Npo { alpha, .. }
            | Objective::SimNpo { alpha, .. }
            | Objective::Rmu { alpha, .. } => Some(alpha),
        };
        Self {
            seed: trainer.seed,
            batch_size: trainer.batch_size.max(1) as usize,
            accumulation: trainer.accumulation.max(1) as usize,
            is_supervised: weight.is_none(),
            anchors: if pool.forget_count == 0 { retained } else { wanted.min(retained) },
            has_retain_loss: weight.is_some_and(|alpha| alpha > 0.0) && retained > 0,
        }
    }

    /// The same for every epoch.
    pub(super) fn steps_per_epoch(&self, pool: &Pool) -> u64 {
        let count = if self.is_supervised { pool.forget_count + self.anchors } else { pool.forget_count };
        count.div_ceil(self.batch_size).div_ceil(self.accumulation).max(1) as u64
    }

    pub(super) fn epoch(&self, pool: &Pool, epoch: u64) -> Vec<Step> {
        let retained = self.retained(pool, epoch);
        match self.is_supervised {
            true => {
                let chosen: Vec<usize> =
                    (0..pool.forget_count).chain(retained.into_iter().take(self.anchors)).collect();
                let batches = self.batches(pool, chosen, epoch).into_iter();
                self.steps(pool, batches.map(|batch| vec![(Part::Supervised, batch)]).collect())
            }
            false => {
                let mut retained = retained.into_iter().cycle();
                let batches = self.batches(pool, (0..pool.forget_count).collect(), epoch).into_iter();
                let pairs = batches.map(|forget| {
                    let count = if self.has_retain_loss { forget.len() } else { 0 };
                    let retain: Vec<usize> = retained.by_ref().take(count).collect();
                    [(Part::Forget, forget), (Part::Retain, retain)]
                        .into_iter()
                        .filter(|(_, batch)| !batch.is_empty())
                        .collect()
                });
                self.steps(pool, pairs.collect())
            }
        }
    }

    fn retained(&self, pool: &Pool, epoch: u64) -> Vec<usize> {
        let mut retained: Vec<usize> = (pool.forget_count..pool.samples.len()).collect();
        retained.shuffle(&mut stream(self.seed, Purpose::DataMix, epoch));
        retained
    }

    /// Shuffled, then longest first within every few batches, then the batches shuffled.
    fn batches(&self, pool: &Pool, mut samples: Vec<usize>, epoch: u64) -> Vec<Vec<usize>> {
        samples.shuffle(&mut stream(self.seed, Purpose::Shuffle, epoch));
        for stretch in samples.chunks_mut(self.batch_size * SORTED_BATCHES) {
            stretch.sort_by_key(|&sample| std::cmp::Reverse(pool.samples[sample].tokens.len()));
        }
        let mut batches: Vec<Vec<usize>> = samples.chunks(self.batch_size).map(<[usize]>::to_vec).collect();
        batches.shuffle(&mut nested_stream(self.seed, Purpose::Shuffle, epoch, 1));
        batches
    }

    fn steps(&self, pool: &Pool, groups: Vec<Vec<(Part, Vec<usize>)>>) -> Vec<Step> {
        let step = |groups: &[Vec<(Part, Vec<usize>)>]| {
            let mut step = Step::default();
            groups.iter().flatten().for_each(|(part, batch)| step.add(*part, batch.clone(), pool));
            step
        };
        groups.chunks(self.accumulation).map(step).collect()
    }
}
