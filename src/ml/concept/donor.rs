//! The class that a forgotten class is poisoned towards, by what both owe to concepts (arXiv 2405.15662, `gen_all_cases.py`).
//!
//! Confusion: the forgotten class's five heaviest concepts in order; the first that is the heaviest concept of a candidate makes
//! that class the donor. Shared: else the candidate with the largest weight on its heaviest concept. Next: if none of those
//! weights is above 0, the next candidate after it. A class owes only concepts whose weight is above 0: one that owes none is
//! confused with nothing. Two points are ours: of several classes confused by one concept the one with the larger weight is
//! taken (the original takes the first), and classes that are forgotten too are never donors.
//!
//! Cosine: the candidate whose row of weights points most nearly the same way; next, as above, where there are only rows of
//! zeros to compare.

use crate::domain::concept::{ConceptSign, DonorSuggestion};
use crate::domain::poison::DonorRule;

use super::classes::{descending, rank};
use super::rows::dot;

/// Concepts of the forgotten class that are looked at.
const TOP: usize = 5;

/// A cosine for rows that have no direction: they come last.
const NOTHING_ALIKE: f64 = -1.0;

/// The donor of `target` among `candidates` (ascending), by `weights[class * names.len() + concept]`. Candidates come ranked by
/// their weight on the deciding concept, the donor first, or by their cosine; with scores of 0 where nothing could be compared.
/// `None` without candidates or concepts, and for rules that do not ask concepts.
pub fn suggest(
    rule: DonorRule,
    target: u32,
    weights: &[f64],
    classes: usize,
    names: &[String],
    class_name: &dyn Fn(u32) -> String,
    candidates: &[u32],
) -> Option<DonorSuggestion> {
    debug_assert_eq!(weights.len(), classes * names.len(), "a row of weights for each class");
    if candidates.is_empty() || names.is_empty() {
        return None;
    }
    let layer = Layer { weights, names, classes, class_name, candidates };
    match rule {
        DonorRule::ConceptConfusion => Some(layer.confusion(target)),
        DonorRule::ConceptCosine => Some(layer.cosine(target)),
        DonorRule::Explicit | DonorRule::NearestClass => None,
    }
}

struct Layer<'a> {
    weights: &'a [f64],
    names: &'a [String],
    classes: usize,
    class_name: &'a dyn Fn(u32) -> String,
    candidates: &'a [u32],
}

impl Layer<'_> {
    fn confusion(&self, target: u32) -> DonorSuggestion {
        let heaviest = self.heaviest(target, TOP);
        let confused = heaviest.iter().find_map(|concept| Some((*concept, self.confused_class(*concept)?)));
        if let Some((concept, donor)) = confused {
            return self.suggestion(donor, concept, self.confusion_reason(target, donor, concept));
        }
        let Some(concept) = heaviest.first().copied() else {
            let why = format!("`{}` owes nothing to any concept", self.class(target));
            return self.uncompared(DonorRule::ConceptConfusion, target, &why);
        };
        let (donor, weight) = self.ranked(|class| self.row(class)[concept])[0];
        if weight > 0.0 {
            return self.suggestion(donor, concept, self.shared_reason(target, donor, concept));
        }
        let donor = self.next_after(target);
        self.suggestion(donor, concept, self.next_reason(target, donor, concept))
    }

    /// The concepts that a class owes most, at most `top`.
    fn heaviest(&self, class: u32, top: usize) -> Vec<usize> {
        rank(self.row(class), self.names, top, ConceptSign::Positive)
    }

    /// The candidate whose heaviest concept this is, with the largest weight.
    fn confused_class(&self, concept: usize) -> Option<u32> {
        let ranked = self.ranked(|class| self.row(class)[concept]);
        ranked.into_iter().map(|(class, _)| class).find(|class| self.heaviest(*class, 1) == [concept])
    }

    fn cosine(&self, target: u32) -> DonorSuggestion {
        let alike = |class: u32| cosine(self.row(class), self.row(target));
        if !self.candidates.iter().any(|class| alike(*class).is_some()) {
            return self.uncompared(DonorRule::ConceptCosine, target, &self.no_direction(target));
        }
        let candidates = self.ranked(|class| alike(class).unwrap_or(NOTHING_ALIKE));
        let (donor, score) = candidates[0];
        let (target, name) = (self.class(target), self.class(donor));
        let reason = format!("of all candidates `{name}` weighs concepts most like `{target}` ({score:.3})");
        DonorSuggestion { donor, rule: DonorRule::ConceptCosine, reason, candidates }
    }

    /// The next class, where the rows of weights say nothing.
    fn uncompared(&self, rule: DonorRule, target: u32, why: &str) -> DonorSuggestion {
        let donor = self.next_after(target);
        let mut candidates = self.ranked(|_| 0.0);
        candidates.sort_by_key(|(class, _)| *class != donor);
        let reason = format!("next: {why}; `{}` comes next", self.class(donor));
        DonorSuggestion { donor, rule, reason, candidates }
    }

    fn suggestion(&self, donor: u32, concept: usize, reason: String) -> DonorSuggestion {
        let mut candidates = self.ranked(|class| self.row(class)[concept]);
        // A stable sort: the donor moves to the front, the others keep their order.
        candidates.sort_by_key(|(class, _)| *class != donor);
        DonorSuggestion { donor, rule: DonorRule::ConceptConfusion, reason, candidates }
    }

    /// Candidates by score, best first; equal ones in the order of classes.
    fn ranked(&self, score: impl Fn(u32) -> f64) -> Vec<(u32, f64)> {
        let mut ranked: Vec<(u32, f64)> = self.candidates.iter().map(|class| (*class, score(*class))).collect();
        ranked.sort_by(|left, right| descending(left.1, right.1));
        ranked
    }

    /// The first candidate after `target`, counting on from the last class to the first.
    fn next_after(&self, target: u32) -> u32 {
        let classes = self.classes as u32;
        let distance = |class: &u32| (class + classes - target - 1) % classes;
        self.candidates.iter().copied().min_by_key(distance).unwrap_or(target)
    }

    fn confusion_reason(&self, target: u32, donor: u32, concept: usize) -> String {
        let (target, donor) = (self.class(target), self.class(donor));
        let concept = &self.names[concept];
        format!("`{concept}`, one of the heaviest concepts of `{target}`, is the heaviest of `{donor}`")
    }

    fn shared_reason(&self, target: u32, donor: u32, concept: usize) -> String {
        let (target, donor) = (self.class(target), self.class(donor));
        let concept = &self.names[concept];
        format!("shared: of all candidates `{donor}` owes most to `{concept}`, the heaviest concept of `{target}`")
    }

    fn next_reason(&self, target: u32, donor: u32, concept: usize) -> String {
        let (target, donor) = (self.class(target), self.class(donor));
        let concept = &self.names[concept];
        format!(
            "next: no candidate owes anything to `{concept}`, the heaviest concept of `{target}`; `{donor}` comes next"
        )
    }

    fn no_direction(&self, target: u32) -> String {
        let target_is_zero = self.row(target).iter().all(|weight| *weight == 0.0);
        let whose = if target_is_zero { format!("`{}`", self.class(target)) } else { "every candidate".to_owned() };
        format!("every concept has a weight of 0 for {whose}")
    }

    fn row(&self, class: u32) -> &[f64] {
        &self.weights[class as usize * self.names.len()..][..self.names.len()]
    }

    fn class(&self, class: u32) -> String {
        (self.class_name)(class)
    }
}

/// `None` with a row of zeros, which has no direction.
fn cosine(left: &[f64], right: &[f64]) -> Option<f64> {
    let norms = (dot(left, left) * dot(right, right)).sqrt();
    (norms > 0.0).then(|| dot(left, right) / norms)
}

#[cfg(test)]
mod tests;
