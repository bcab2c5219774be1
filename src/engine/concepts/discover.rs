//! Concepts without examples: parts of the activations of some samples, by non-negative matrix factorisation.

use super::super::lane::Lane;
use super::super::sources::{ModelUse, sample};
use super::examples::Side;
use super::learn::Learnt;
use crate::device::work::Embed;
use crate::domain::Result;
use crate::domain::concept::{Concept, ConceptVectors};
use crate::domain::finetune::Precision;
use crate::ml::activations::Embeddings;
use crate::ml::concept::nmf::{self, Options};
use crate::ml::interrupt::Interrupt;
use crate::storage::banks::MAX_EXAMPLES;

/// Activations kept of each side of a part, for TCAV.
const EXAMPLES_PER_SIDE: usize = 50;

/// Factorises the activations of at most `max_samples` of `samples` into `parts`.
///
/// # Errors
/// `NEGATIVE_ACTIVATIONS`, `CONCEPT_COUNT_OUT_OF_RANGE`, `EMBED_NOT_EXPORTED`.
pub(in crate::engine) async fn discover(
    lane: &Lane,
    model: &ModelUse,
    samples: &Side,
    parts: usize,
    max_samples: usize,
    precision: Precision,
    seed: u64,
) -> Result<Learnt> {
    let positions = sample(&samples.positions, max_samples, seed, 0);
    let images = samples.images.clone();
    let work = Embed { model: model.source.clone(), images, positions: positions.clone(), precision };
    let embeddings = lane.run(&model.device, work).await?;
    lane.compute(move |interrupt| factorise(&embeddings, &positions, parts, seed, interrupt)).await
}

fn factorise(
    embeddings: &Embeddings,
    positions: &[usize],
    parts: usize,
    seed: u64,
    interrupt: &Interrupt,
) -> Result<Learnt> {
    let Embeddings { dim, values } = embeddings;
    let options = Options { seed, ..Options::default() };
    let found = nmf::factorise(values, *dim, parts, &options, interrupt).map_err(|error| error.under("discovery"))?;
    let part = |(index, best): (usize, Vec<(usize, f64)>)| Concept {
        name: format!("part-{:02}", index + 1),
        quality: None,
        best_samples: best.into_iter().map(|(row, score)| (positions[row] as u64, score)).collect(),
    };
    let concepts = found.best_samples(MAX_EXAMPLES).into_iter().enumerate().map(part).collect();
    let examples = found.examples(values, EXAMPLES_PER_SIDE);
    let vectors = ConceptVectors { examples, ..found.vectors() };
    Ok(Learnt { concepts, vectors, explained: Some(found.explained) })
}
