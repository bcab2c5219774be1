//! The sparse layer from concepts to classes, fitted to a share of the training samples of every class.

use super::super::banks::Bank;
use super::super::lane::Lane;
use super::super::sources::{ModelUse, Samples};
use super::sampling::stratified;
use crate::device::work::Embed;
use crate::domain::Result;
use crate::domain::concept::PcbmSpec;
use crate::domain::finetune::Precision;
use crate::ml::activations::Embeddings;
use crate::ml::concept::pcbm::{self, PcbmFit};
use crate::ml::concept::projection::project;
use crate::ml::interrupt::Interrupt;

/// Training samples that the layer is fitted to where nobody says otherwise. The same for plans, jobs and reports, so that they
/// name the same donors.
pub(in crate::engine) const LAYER_SAMPLES: usize = 10_000;

#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct LayerSettings {
    pub(in crate::engine) spec: PcbmSpec,
    pub(in crate::engine) max_samples: usize,
    pub(in crate::engine) precision: Precision,
    pub(in crate::engine) seed: u64,
}

/// The fitted layer with what it was fitted to.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Layer {
    pub(in crate::engine) positions: Vec<usize>,
    pub(in crate::engine) labels: Vec<u32>,
    pub(in crate::engine) embeddings: Embeddings,
    /// `[samples, concepts]`
    pub(in crate::engine) projections: Vec<f32>,
    pub(in crate::engine) fit: PcbmFit,
}

pub(in crate::engine) async fn fit_layer(
    lane: &Lane,
    model: &ModelUse,
    train: &Samples,
    bank: &Bank,
    settings: LayerSettings,
) -> Result<Layer> {
    let positions = stratified(&train.labels, settings.max_samples, settings.seed);
    let labels = train.labels_at(&positions);
    let embeddings = embed(lane, model, train, positions.clone(), settings.precision).await?;
    let (bank, classes) = (bank.clone(), model.spec().class_count as usize);
    let fitted = move |interrupt: &Interrupt| {
        let projections = project(&embeddings.values, &bank.vectors, bank.normalize_input);
        let fit = pcbm::fit(&projections, bank.names.len(), &labels, classes, &settings.spec, interrupt)?;
        Ok(Layer { positions, labels, embeddings, projections, fit })
    };
    lane.compute(fitted).await
}

/// Activations of samples of a split.
pub(super) async fn embed(
    lane: &Lane,
    model: &ModelUse,
    samples: &Samples,
    positions: Vec<usize>,
    precision: Precision,
) -> Result<Embeddings> {
    let work = Embed { model: model.source.clone(), images: samples.data.images()?.clone(), positions, precision };
    lane.run(&model.device, work).await
}
