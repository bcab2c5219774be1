//! One pass over a split that turns images into features, a batch a step; no pass at all when they are cached.

use std::sync::Arc;

use tch::Device;

use super::cache::ActivationCache;
use super::features::Features;
use super::key::ActivationKey;
use super::reader::{BatchReader, as_decoded, consecutive};
use super::writer::FeatureWriter;
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::Precision;
use crate::domain::model::Preprocessing;
use crate::domain::{Error, Result};
use crate::ml::backbone::{Backbone, Inference};
use crate::ml::step::Position;
use crate::ml::torch::{NoGrad, check_precision, images_to_tensor};

/// Images a step. Batches of 64 to 128 are the fastest on a CPU; 640 and more are slower.
pub const BATCH: usize = 128;

const LAYER: &str = "embed";

/// Computes the features of every sample of a split.
#[derive(Debug)]
pub struct FeaturePass {
    source: Arc<dyn ImageSource>,
    preprocessing: Preprocessing,
    device: Device,
    done: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Cached(Features),
    Computing(Box<Computation>),
    Finished,
}

#[derive(Debug)]
struct Computation {
    inference: Inference,
    reader: BatchReader,
    writer: FeatureWriter,
}

impl FeaturePass {
    /// Prepares the pass, or finds that the cache makes it unnecessary. The backbone must have an embedding.
    pub fn new(
        backbone: &Backbone,
        source: Arc<dyn ImageSource>,
        precision: Precision,
        cache: Option<&ActivationCache>,
    ) -> Result<Self> {
        check_precision(precision, backbone.device())?;
        if source.is_empty() {
            return Err(Error::failed_precondition("EMPTY_SPLIT", "the split has no samples"));
        }
        let preprocessing = backbone.spec().preprocessing.clone();
        let key = ActivationKey::new(&backbone.prefix_hash()?, LAYER, source.key(), &preprocessing, precision)?;
        let rows = source.len();
        let cached = cache.and_then(|cache| cache.open(&key)).filter(|features| features.rows() == rows);
        let state = match cached {
            Some(features) => State::Cached(features),
            None => {
                let dim = backbone.feature_dim()?;
                let writer = match cache {
                    Some(cache) => cache.writer(&key, rows, dim)?,
                    None => FeatureWriter::to_memory(rows, dim),
                };
                let order = consecutive(rows, BATCH);
                let reader = BatchReader::start(source.clone(), &preprocessing, order, as_decoded())?;
                State::Computing(Box::new(Computation { inference: backbone.inference(precision)?, reader, writer }))
            }
        };
        Ok(Self { source, preprocessing, device: backbone.device(), done: 0, state })
    }

    /// Whether the pass would find its features in the cache.
    pub fn is_cached(
        backbone: &Backbone,
        source: &Arc<dyn ImageSource>,
        precision: Precision,
        cache: &ActivationCache,
    ) -> Result<bool> {
        let preprocessing = &backbone.spec().preprocessing;
        let key = ActivationKey::new(&backbone.prefix_hash()?, LAYER, source.key(), preprocessing, precision)?;
        Ok(cache.open(&key).is_some_and(|features| features.rows() == source.len()))
    }

    /// Does one batch; gives the features when all are done.
    pub fn step(&mut self) -> Result<Option<Features>> {
        match std::mem::replace(&mut self.state, State::Finished) {
            State::Cached(features) => {
                self.done = self.source.len();
                Ok(Some(features))
            }
            State::Computing(mut computation) => {
                let Computation { inference, reader, writer } = &mut *computation;
                if let Some(batch) = reader.next()? {
                    let _guard = NoGrad::enter();
                    let images = images_to_tensor(&batch, &self.preprocessing, self.device)?;
                    writer.append(&inference.embed(&images)?)?;
                    self.done += batch.count;
                }
                if self.done == self.source.len() {
                    return computation.writer.finish().map(Some);
                }
                self.state = State::Computing(computation);
                Ok(None)
            }
            State::Finished => Err(Error::internal("the feature pass has ended already")),
        }
    }

    pub fn position(&self) -> Position {
        let steps = |samples: usize| samples.div_ceil(BATCH) as u64;
        Position { stage: "features", step: steps(self.done), total: steps(self.source.len()) }
    }
}
