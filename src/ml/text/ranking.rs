//! Which words stand for a group of answers: the concepts of a text (Concept Inference Unlearning, token IG).
//!
//! Of each answer the positive scores are shared out to a sum of one, so that a long or confident answer counts no more than
//! another; the shares of a word are added over the answers of its group; stop-words are left out of the ranking, not of the
//! shares. Beyond the paper: a word is called significant when its mean share is larger in the group than in the answers that
//! are to be kept, by Welch's t-test of the shares (0 where the word is absent), Bonferroni over the words of the group.

use std::collections::BTreeMap;

use super::stop_words::is_stop_word;
use crate::ml::concept::student::p_value;

/// What one answer owes to each of its words, in lower case: positive, with a sum of one, or empty.
pub type Shares = BTreeMap<String, f64>;

#[derive(Debug, Clone, PartialEq)]
pub struct RankedWord {
    pub word: String,
    /// Sum of its shares over the group.
    pub weight: f64,
    /// Answers of the group that it has a share in.
    pub answers: usize,
    /// Mean share in the group and in the answers to be kept.
    pub mean: f64,
    pub kept_mean: f64,
    /// Of the difference; `None` where it is undefined: fewer than two answers on a side, or no variance at all.
    pub p_value: Option<f64>,
    pub significant: bool,
}

/// The shares of one answer; scores of the same word are added first. Scores that are not finite count as none.
pub fn shares<'a>(scored: impl IntoIterator<Item = (&'a str, f64)>) -> Shares {
    let mut sums = Shares::new();
    for (word, score) in scored.into_iter().filter(|(_, score)| score.is_finite()) {
        *sums.entry(word.to_lowercase()).or_default() += score;
    }
    sums.retain(|_, score| *score > 0.0);
    let total: f64 = sums.values().sum();
    sums.values_mut().for_each(|score| *score /= total);
    sums
}

/// The words of `group`, by weight and then by name. `alpha` is the level before Bonferroni's correction.
pub fn rank(group: &[&Shares], kept: &[&Shares], alpha: f64) -> Vec<RankedWord> {
    rank_first(group, kept, alpha, usize::MAX)
}

/// The `count` first of them; the correction is for all words of the group all the same.
pub fn rank_first(group: &[&Shares], kept: &[&Shares], alpha: f64, count: usize) -> Vec<RankedWord> {
    let mut totals: Vec<(&str, f64)> = weights(group).into_iter().collect();
    totals.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let level = alpha / totals.len().max(1) as f64;
    totals.into_iter().take(count).map(|(word, weight)| judge(word, weight, group, kept, level)).collect()
}

/// Sums of the shares of each word that is no stop-word.
pub fn weights<'a>(group: &[&'a Shares]) -> BTreeMap<&'a str, f64> {
    let mut totals = BTreeMap::new();
    for (word, share) in group.iter().flat_map(|shares| shares.iter()).filter(|(word, _)| !is_stop_word(word)) {
        *totals.entry(word.as_str()).or_default() += share;
    }
    totals
}

fn judge(word: &str, weight: f64, group: &[&Shares], kept: &[&Shares], level: f64) -> RankedWord {
    let column = |answers: &[&Shares]| -> Vec<f64> {
        answers.iter().map(|shares| shares.get(word).copied().unwrap_or_default()).collect()
    };
    let (here, there) = (column(group), column(kept));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let p_value = p_value(&here, &there, false);
    RankedWord {
        word: word.to_owned(),
        weight,
        answers: here.iter().filter(|share| **share > 0.0).count(),
        mean: mean(&here),
        kept_mean: mean(&there),
        significant: p_value.is_some_and(|p| p <= level) && mean(&here) > mean(&there),
        p_value,
    }
}
