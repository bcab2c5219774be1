//! Vectors from examples: embed both sides of every concept, then one linear classifier a concept.

use std::sync::Arc;

use rayon::prelude::*;

use super::super::banks::Bank;
use super::super::core::Core;
use super::super::lane::Lane;
use super::super::sources::ModelUse;
use super::examples::{Examples, Side};
use crate::device::work::Embed;
use crate::domain::Result;
use crate::domain::concept::{CavSpec, Concept, ConceptActivations, ConceptSource, ConceptVectors};
use crate::domain::finetune::Precision;
use crate::ml::activations::Embeddings;
use crate::ml::concept::cav;
use crate::ml::interrupt::Interrupt;

/// Of the library that is learnt on the way: donors do not hang on the caller's seed.
const LIBRARY_SEED: u64 = 0;

/// A bank's numbers before it is kept.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Learnt {
    pub(in crate::engine) concepts: Vec<Concept>,
    pub(in crate::engine) vectors: ConceptVectors,
    /// Share of the activations that discovery explains.
    pub(in crate::engine) explained: Option<f64>,
}

/// Learns one vector for each concept.
///
/// # Errors
/// `EMBED_NOT_EXPORTED`; `DEGENERATE_FEATURES` where a model answers the same for all examples of a concept.
pub(in crate::engine) async fn learn(
    lane: &Lane,
    model: &ModelUse,
    examples: &[Examples],
    spec: &CavSpec,
    precision: Precision,
    seed: u64,
) -> Result<Learnt> {
    let (dim, activations) = embed_all(lane, model, examples, precision).await?;
    let names: Vec<String> = examples.iter().map(|concept| concept.name.clone()).collect();
    let spec = spec.clone();
    lane.compute(move |interrupt| vectors(names, dim, activations, &spec, seed, interrupt)).await
}

fn vectors(
    names: Vec<String>,
    dim: usize,
    activations: Vec<ConceptActivations>,
    spec: &CavSpec,
    seed: u64,
    interrupt: &Interrupt,
) -> Result<Learnt> {
    let learnt = activations.par_iter().zip(&names).enumerate().map(|(index, (sides, name))| {
        interrupt.check()?;
        let learnt = cav::learn(&sides.positives, &sides.negatives, dim, spec, seed, index as u64);
        learnt.map_err(|error| error.saying(&format!("concept `{name}`")))
    });
    let learnt = learnt.collect::<Result<Vec<_>>>()?;
    let mut vectors = ConceptVectors { dim, examples: activations, ..ConceptVectors::default() };
    let mut concepts = Vec::with_capacity(names.len());
    for (name, learnt) in names.into_iter().zip(learnt) {
        vectors.weights.extend(learnt.vector);
        vectors.biases.push(learnt.bias);
        concepts.push(Concept { name, quality: Some(learnt.quality), best_samples: Vec::new() });
    }
    Ok(Learnt { concepts, vectors, explained: None })
}

/// Activations of both sides of each concept; sides that follow each other in one source are embedded together.
async fn embed_all(
    lane: &Lane,
    model: &ModelUse,
    examples: &[Examples],
    precision: Precision,
) -> Result<(usize, Vec<ConceptActivations>)> {
    let sides: Vec<&Side> = examples.iter().flat_map(|concept| [&concept.positives, &concept.negatives]).collect();
    let mut rows: Vec<Vec<f32>> = Vec::with_capacity(sides.len());
    let mut dim = 0;
    for group in sides.chunk_by(|left, right| left.images.key() == right.images.key()) {
        let positions = group.iter().flat_map(|side| &side.positions).copied().collect();
        let embeddings = embed(lane, model, group[0], positions, precision).await?;
        dim = embeddings.dim;
        let mut values = embeddings.values.as_slice();
        for side in group {
            let (own, rest) = values.split_at(side.positions.len() * dim);
            rows.push(own.to_vec());
            values = rest;
        }
    }
    let mut rows = rows.into_iter();
    let mut activations = Vec::with_capacity(examples.len());
    while let (Some(positives), Some(negatives)) = (rows.next(), rows.next()) {
        activations.push(ConceptActivations { positives, negatives });
    }
    Ok((dim, activations))
}

async fn embed(
    lane: &Lane,
    model: &ModelUse,
    side: &Side,
    positions: Vec<usize>,
    precision: Precision,
) -> Result<Embeddings> {
    let work = Embed { model: model.source.clone(), images: side.images.clone(), positions, precision };
    lane.run(&model.device, work).await
}

/// The built-in library, learnt for a model.
pub(in crate::engine) async fn library(
    core: &Core,
    lane: &Lane,
    model: &ModelUse,
    precision: Precision,
) -> Result<Bank> {
    let spec = CavSpec::default();
    let source = ConceptSource::Procedural(Vec::new());
    let per_side = 2 * spec.examples_per_side as usize;
    let examples = core.concept_examples(&source, model.spec(), per_side, LIBRARY_SEED).await?;
    let Learnt { concepts, vectors, explained: _ } =
        learn(lane, model, &examples, &spec, precision, LIBRARY_SEED).await?;
    Ok(Bank {
        id: None,
        names: concepts.into_iter().map(|concept| concept.name).collect(),
        vectors: Arc::new(vectors),
        normalize_input: false,
    })
}
