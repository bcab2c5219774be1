//! Images that show a concept best.

use super::super::sources::input_shape;
use super::examples::{Examples, Side};
use super::learn::Learnt;
use crate::domain::Result;
use crate::domain::model::ModelSpec;
use crate::storage::banks::MAX_EXAMPLES;
use crate::storage::images;

/// PNG images of the positives furthest on the concept's side, best first, for each concept.
pub(in crate::engine) fn best_pictures(
    learnt: &Learnt,
    examples: &[Examples],
    model: &ModelSpec,
) -> Result<Vec<Vec<Vec<u8>>>> {
    let of_concept = |(concept, examples): (usize, &Examples)| {
        let vector = learnt.vectors.vector(concept);
        let rows = learnt.vectors.examples[concept].positives.chunks_exact(vector.len());
        let score = |row: &[f32]| -> f32 { row.iter().zip(vector).map(|(value, weight)| value * weight).sum() };
        let mut scored: Vec<(usize, f32)> = examples.positives.positions.iter().copied().zip(rows.map(score)).collect();
        scored.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        let positions: Vec<usize> = scored.into_iter().take(MAX_EXAMPLES).map(|(position, _)| position).collect();
        pictures_at(&examples.positives, &positions, model)
    };
    examples.iter().enumerate().map(of_concept).collect()
}

/// PNG images of these samples as the model takes them; none for images that no picture shows.
pub(in crate::engine) fn pictures_at(side: &Side, positions: &[usize], model: &ModelSpec) -> Result<Vec<Vec<u8>>> {
    let shape = input_shape(model);
    if !matches!(shape.channels, 1 | 3 | 4) {
        return Ok(Vec::new());
    }
    let batch = side.images.read(positions, shape, model.preprocessing.resize)?;
    (0..positions.len()).map(|index| images::png(&batch, index)).collect()
}
