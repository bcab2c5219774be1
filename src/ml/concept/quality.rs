//! How good a set of concepts is as a whole.
//!
//! Purity: a concept is pure when no other concept's score tells whether it is present (above its median); the area under the
//! curve is counted in either direction, so that an opposite counts as a copy and 0.5 is pure. This follows the oracle impurity
//! of Espinosa Zarlenga et al. 2023 with scores in place of probes. Completeness: Yeh et al. 2020.

use crate::domain::concept::{ConceptPurity, ConceptVectors};

use super::rows::dot;

/// Rows that purity is judged on, evenly spaced.
const PURITY_ROWS: usize = 2000;
/// Cosine above which two vectors are nearly the same.
const DUPLICATE: f64 = 0.95;

/// For each concept the other one that predicts it best, from projections `[n, concepts]`.
pub fn purity(projections: &[f32], concepts: usize, names: &[String]) -> Vec<ConceptPurity> {
    debug_assert_eq!(concepts, names.len(), "a name for each concept");
    let columns: Vec<Vec<f64>> = (0..concepts).map(|concept| column(projections, concepts, concept)).collect();
    let ranks: Vec<Vec<f64>> = columns.iter().map(|column| mid_ranks(column)).collect();
    let judged = columns.iter().zip(names).enumerate();
    judged
        .map(|(concept, (column, name))| {
            let (by, max_cross_auc) = best_predictor(&ranks, &above_median(column), concept);
            ConceptPurity { concept: concept as u32, name: name.clone(), max_cross_auc, by: by as u32 }
        })
        .collect()
}

/// Scores of one concept on evenly spaced rows.
fn column(projections: &[f32], concepts: usize, concept: usize) -> Vec<f64> {
    let rows = projections.len() / concepts;
    let kept = rows.min(PURITY_ROWS);
    (0..kept).map(|index| f64::from(projections[index * rows / kept * concepts + concept])).collect()
}

fn above_median(column: &[f64]) -> Vec<bool> {
    let mut sorted = column.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (lower, upper) = (sorted.get(sorted.len().saturating_sub(1) / 2), sorted.get(sorted.len() / 2));
    let median = lower.zip(upper).map_or(0.0, |(lower, upper)| (lower + upper) / 2.0);
    column.iter().map(|value| *value > median).collect()
}

/// The first concept with the highest area; itself with 0.5 where nothing can be predicted.
fn best_predictor(ranks: &[Vec<f64>], present: &[bool], concept: usize) -> (usize, f64) {
    let others = (0..ranks.len()).filter(|other| *other != concept);
    let areas = others.map(|other| (other, either_way(area(&ranks[other], present))));
    areas.fold((concept, 0.5), |best, found| if found.1 > best.1 { found } else { best })
}

/// The area under the curve counted in the direction in which it is larger.
fn either_way(auc: f64) -> f64 {
    auc.max(1.0 - auc)
}

/// Mann and Whitney's: from the sum of the ranks of those present. 0.5 with an empty side.
fn area(ranks: &[f64], present: &[bool]) -> f64 {
    let positives = present.iter().filter(|present| **present).count() as f64;
    let negatives = present.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return 0.5;
    }
    let sum: f64 = ranks.iter().zip(present).filter(|(_, present)| **present).map(|(rank, _)| rank).sum();
    (sum - positives * (positives + 1.0) / 2.0) / (positives * negatives)
}

/// Ranks from 1; ties share their mean.
fn mid_ranks(column: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..column.len()).collect();
    order.sort_by(|left, right| column[*left].total_cmp(&column[*right]));
    let mut ranks = vec![0.0; column.len()];
    let mut before = 0;
    for ties in order.chunk_by(|left, right| column[*left] == column[*right]) {
        let rank = before as f64 + (ties.len() as f64 + 1.0) / 2.0;
        ties.iter().for_each(|index| ranks[*index] = rank);
        before += ties.len();
    }
    ranks
}

/// Most concepts that are compared pair by pair.
const MOST_COMPARED: usize = 2000;

/// Pairs of concepts with a cosine above .95, first index lower; none where there are too many concepts to compare.
pub fn duplicates(vectors: &ConceptVectors) -> Vec<(u32, u32, f64)> {
    if vectors.len() > MOST_COMPARED {
        return Vec::new();
    }
    let units: Vec<Vec<f64>> = (0..vectors.len()).map(|concept| unit(vectors.vector(concept))).collect();
    let pairs = (0..units.len()).flat_map(|first| (first + 1..units.len()).map(move |second| (first, second)));
    let cosines = pairs.map(|(first, second)| (first as u32, second as u32, dot(&units[first], &units[second])));
    cosines.filter(|(_, _, cosine)| *cosine > DUPLICATE).collect()
}

/// The vector at length 1; zeros stay.
fn unit(vector: &[f32]) -> Vec<f64> {
    let wide: Vec<f64> = vector.iter().copied().map(f64::from).collect();
    let norm = dot(&wide, &wide).sqrt();
    wide.iter().map(|value| if norm > 0.0 { value / norm } else { 0.0 }).collect()
}

/// (accuracy by concepts − chance) / (accuracy of the model − chance); 0 for a model that is no better than chance.
pub fn completeness(accuracy: f64, model_accuracy: f64, classes: usize) -> f64 {
    let chance = 1.0 / classes as f64;
    if model_accuracy > chance { (accuracy - chance) / (model_accuracy - chance) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::membership::roc::Roc;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|concept| format!("c{concept}")).collect()
    }

    #[test]
    fn a_copy_and_an_opposite_are_impure() {
        let rows = (0..50_u32).flat_map(|row| {
            let noise = (row * 7919 % 50) as f32;
            [row as f32, -(row as f32), noise]
        });
        let purity = purity(&rows.collect::<Vec<_>>(), 3, &names(3));
        assert_eq!((purity[0].max_cross_auc, purity[0].by), (1.0, 1));
        assert_eq!((purity[1].max_cross_auc, purity[1].by), (1.0, 0));
        assert!(purity[2].max_cross_auc < 0.75, "{}", purity[2].max_cross_auc);
    }

    #[test]
    fn one_constant_concept_is_pure() {
        let purity = purity(&[1.0; 10], 1, &names(1));
        assert_eq!((purity[0].max_cross_auc, purity[0].by), (0.5, 0));
    }

    #[test]
    fn area_from_ranks_is_that_of_the_curve() {
        let scores: Vec<f64> = (0..200_u32).map(|index| f64::from(index * 37 % 41)).collect();
        let present: Vec<bool> = (0..200_u32).map(|index| index * 13 % 7 < 3).collect();
        let side =
            |wanted| scores.iter().zip(&present).filter(|(_, p)| **p == wanted).map(|(s, _)| *s).collect::<Vec<_>>();
        let expected = Roc::new(&side(true), &side(false)).auc();
        assert!((area(&mid_ranks(&scores), &present) - expected).abs() < 1e-12);
    }

    #[test]
    fn nearly_equal_directions_are_duplicates() {
        let weights = vec![1.0, 0.0, 2.0, 0.1, 0.0, 1.0, 0.0, 0.0];
        let vectors = ConceptVectors { dim: 2, weights, biases: vec![0.0; 4], examples: Vec::new() };
        let found = duplicates(&vectors);
        assert_eq!(found.iter().map(|pair| (pair.0, pair.1)).collect::<Vec<_>>(), [(0, 1)]);
    }

    #[test]
    fn completeness_is_one_for_the_models_own_accuracy_and_zero_at_chance() {
        assert_eq!(completeness(0.9, 0.9, 10), 1.0);
        assert_eq!(completeness(0.1, 0.9, 10), 0.0);
        assert_eq!(completeness(0.5, 0.1, 10), 0.0);
    }
}
