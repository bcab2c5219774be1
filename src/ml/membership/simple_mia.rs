//! Simple MIA of the NeurIPS 2023 unlearning challenge (unlearning-challenge/starting-kit, `simple_mia`): logistic regression on the
//! cross-entropy of each sample, judged on ten stratified splits that hold out a tenth.
//!
//! The rate is the mean accuracy over the splits. A retrained model, not one half, is what it should be compared with. The
//! decision values behind the AUC are those of held-out samples, averaged where a sample was held out more than once.
//! Sides are balanced by a seeded subsample of at most `SIDE_CAP` each.

use super::features::Features;
use super::logistic::LogisticRegression;
use super::outcome::Outcome;
use super::scores::loss;
use super::splits::{Split, balanced_subsample, stratified_shuffle_splits};
use crate::ml::evaluation::Predictions;

const SPLITS: usize = 10;
const TEST_FRACTION: f64 = 0.1;
const C: f64 = 1.0;
const SIDE_CAP: usize = 10_000;
const SELECTION: u64 = 0;

pub fn simple_mia(members: &Predictions, non_members: &Predictions, seed: u64) -> Outcome {
    let (chosen, others) = balanced_subsample((members.len(), non_members.len()), SIDE_CAP, seed, SELECTION);
    let own = Features::of_scores(&members.subset(&chosen), |row, label| -loss(row, label));
    let losses = own.stacked(&Features::of_scores(&non_members.subset(&others), |row, label| -loss(row, label)));
    if losses.is_constant() {
        return Outcome::degenerate(chosen.len(), others.len(), Some(0.5));
    }
    let member: Vec<bool> = (0..losses.len()).map(|index| index < chosen.len()).collect();
    judge(&losses, &member, &stratified_shuffle_splits(&member, SPLITS, TEST_FRACTION, seed))
}

/// Fits on the train part of every split and judges the test part.
pub fn judge(features: &Features, member: &[bool], splits: &[Split]) -> Outcome {
    let mut sums = vec![(0.0, 0_u32); member.len()];
    let mut accuracy = 0.0;
    for split in splits {
        let decisions = held_out_decisions(features, member, split);
        let correct = decisions.iter().filter(|(index, decision)| (*decision > 0.0) == member[*index]).count();
        accuracy += correct as f64 / decisions.len() as f64;
        for (index, decision) in decisions {
            sums[index] = (sums[index].0 + decision, sums[index].1 + 1);
        }
    }
    let side = |wanted: bool| {
        let judged = sums.iter().zip(member).filter(|((_, times), member)| *times > 0 && **member == wanted);
        judged.map(|((sum, times), _)| sum / f64::from(*times)).collect()
    };
    Outcome {
        members: side(true),
        non_members: side(false),
        rate: Some(accuracy / splits.len() as f64),
        converged: true,
    }
}

fn held_out_decisions(features: &Features, member: &[bool], split: &Split) -> Vec<(usize, f64)> {
    let sides: Vec<bool> = split.train.iter().map(|index| member[*index]).collect();
    let fit = LogisticRegression::fit(&features.subset(&split.train), &sides, C);
    split.test.iter().copied().zip(fit.decisions(&features.subset(&split.test))).collect()
}
