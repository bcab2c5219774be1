//! What a plan may ask about concepts: the bank, the sparse layer, and how much of each concept the forgotten samples show.

use super::super::banks::Bank;
use super::super::core::Core;
use super::super::lane::Lane;
use super::super::sources::{ModelUse, Samples};
use super::layer::{LAYER_SAMPLES, Layer, LayerSettings, embed, fit_layer};
use super::learn::library;
use crate::domain::Result;
use crate::domain::concept::PcbmSpec;
use crate::domain::finetune::Precision;
use crate::domain::poison::{PoisonSpec, SelectionOrder};
use crate::ml::concept::projection::project;
use crate::ml::poison::ConceptEvidence;

/// Of the draw behind the layer: a donor does not hang on the seed of a plan.
const LAYER_SEED: u64 = 0;

#[derive(Debug, Clone)]
pub(in crate::engine) struct Insight {
    pub(in crate::engine) bank: Bank,
    pub(in crate::engine) layer: Layer,
    /// Of the forget set, ascending: `[forget, concepts]`; where samples are ordered by concepts.
    forget_projections: Option<Vec<f32>>,
}

impl Insight {
    /// What a class owes to each concept.
    pub(in crate::engine) fn weights(&self, class: u32) -> &[f64] {
        let concepts = self.bank.names.len();
        &self.layer.fit.weights[class as usize * concepts..][..concepts]
    }

    pub(in crate::engine) fn evidence(&self) -> ConceptEvidence {
        ConceptEvidence {
            names: self.bank.names.clone(),
            weights: self.layer.fit.weights.clone(),
            projections: self.forget_projections.clone(),
        }
    }
}

/// The named bank, or the built-in library learnt on the way, with what `samples`' classes owe to it.
///
/// # Errors
/// `EMBED_NOT_EXPORTED`, `BANK_MISMATCH`, `SINGLE_CLASS`.
pub(in crate::engine) async fn insight(
    core: &Core,
    lane: &Lane,
    model: &ModelUse,
    samples: &Samples,
    spec: &PoisonSpec,
    precision: Precision,
) -> Result<Insight> {
    let bank = match &spec.concept_bank {
        Some(id) => core.open_bank(id, model).await?,
        None => library(core, lane, model, precision).await?,
    };
    let settings = LayerSettings { spec: PcbmSpec::default(), max_samples: LAYER_SAMPLES, precision, seed: LAYER_SEED };
    let layer = fit_layer(lane, model, samples, &bank, settings).await?;
    let forget_projections = match spec.order {
        SelectionOrder::Random => None,
        SelectionOrder::TopConcept => {
            let embeddings = embed(lane, model, samples, samples.selected.clone(), precision).await?;
            Some(project(&embeddings.values, &bank.vectors, bank.normalize_input))
        }
    };
    Ok(Insight { bank, layer, forget_projections })
}
