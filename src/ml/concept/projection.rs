//! Projection of embeddings on concepts: the signed distance (w·e + b)/‖w‖ to each concept's hyperplane, as PCBM's code has it
//! (its paper writes ⟨e, w⟩/‖w‖²; the two agree for b = 0 and ‖w‖ = 1).

use rayon::prelude::*;

use crate::domain::concept::ConceptVectors;

/// Sums that run side by side, so that a processor adds many at once.
const LANES: usize = 16;
/// Rows that one thread takes at a time.
const BLOCK: usize = 256;

/// [n, C] of rows `values` [n, dim]; with `normalize_input` of rows scaled to length 1 (then a bias of 0 gives the cosine).
/// A concept without length projects to 0, and a row without length stays at 0.
pub fn project(values: &[f32], vectors: &ConceptVectors, normalize_input: bool) -> Vec<f32> {
    let (dim, concepts) = (vectors.dim, vectors.len());
    if concepts == 0 || dim == 0 {
        return Vec::new();
    }
    debug_assert!(values.len().is_multiple_of(dim), "whole rows");
    let (weights, biases) = unit(vectors);
    let mut projections = vec![0.0; values.len() / dim * concepts];
    projections.par_chunks_mut(BLOCK * concepts).zip(values.par_chunks(BLOCK * dim)).for_each(|(out, block)| {
        for (out, row) in out.chunks_exact_mut(concepts).zip(block.chunks_exact(dim)) {
            let scale = if normalize_input { inverse_length(row) as f32 } else { 1.0 };
            for ((out, weights), bias) in out.iter_mut().zip(weights.chunks_exact(dim)).zip(&biases) {
                *out = dot(row, weights) * scale + bias;
            }
        }
    });
    projections
}

/// Weights and biases divided by the length of the weights.
fn unit(vectors: &ConceptVectors) -> (Vec<f32>, Vec<f32>) {
    let scales: Vec<f64> = vectors.weights.chunks_exact(vectors.dim).map(inverse_length).collect();
    let scaled = |(values, scale): (&[f32], &f64)| -> Vec<f32> {
        values.iter().map(|value| (f64::from(*value) * scale) as f32).collect()
    };
    let weights = vectors.weights.chunks_exact(vectors.dim).zip(&scales).flat_map(scaled).collect();
    let biases = vectors.biases.chunks_exact(1).zip(&scales).flat_map(scaled).collect();
    (weights, biases)
}

/// 1/‖v‖, or 0 of no length.
fn inverse_length(values: &[f32]) -> f64 {
    let length = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 { 1.0 / length } else { 0.0 }
}

pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    let (left_lanes, right_lanes) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    let rest: f32 = left_lanes.remainder().iter().zip(right_lanes.remainder()).map(|(l, r)| l * r).sum();
    let mut sums = [0.0_f32; LANES];
    for (left, right) in left_lanes.zip(right_lanes) {
        for lane in 0..LANES {
            sums[lane] += left[lane] * right[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> ConceptVectors {
        let weights = vec![3.0, 4.0, 0.0, -2.0, 0.0, 0.0];
        ConceptVectors { dim: 2, weights, biases: vec![5.0, 1.0, 7.0], examples: Vec::new() }
    }

    #[test]
    fn projections_are_signed_distances() {
        let projections = project(&[1.0, 2.0, 0.0, 0.0], &vectors(), false);
        assert_eq!(projections, [3.2, -1.5, 0.0, 1.0, 0.5, 0.0]);
    }

    #[test]
    fn normalised_rows_have_their_cosine_and_the_scaled_bias() {
        let projections = project(&[30.0, 40.0, 0.0, 0.0], &vectors(), true);
        let expected = [2.0, -0.3, 0.0, 1.0, 0.5, 0.0];
        assert!(projections.iter().zip(expected).all(|(ours, expected)| (ours - expected).abs() < 1e-6));
    }

    #[test]
    fn a_row_projects_alike_in_any_batch() {
        let dim = 37;
        let values: Vec<f32> = (0..600 * dim).map(|index| (index * 7919 % 1009) as f32 / 1009.0 - 0.5).collect();
        let weights: Vec<f32> = (0..3 * dim).map(|index| (index * 31 % 17) as f32 - 8.0).collect();
        let vectors = ConceptVectors { dim, weights, biases: vec![0.1; 3], examples: Vec::new() };
        let all = project(&values, &vectors, false);
        for (row, together) in values.chunks_exact(dim).zip(all.chunks_exact(3)) {
            assert_eq!(project(row, &vectors, false), together);
        }
    }
}
