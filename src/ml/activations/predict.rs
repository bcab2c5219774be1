//! Logits for every sample of a split: the cached features through the head, or whole forward passes where a model has no embedding.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::cache::ActivationCache;
use super::features::Features;
use super::pass::{BATCH, FeaturePass};
use super::reader::{BatchReader, as_decoded, consecutive};
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::Precision;
use crate::domain::model::Preprocessing;
use crate::domain::{Error, Result};
use crate::ml::backbone::{Backbone, Inference};
use crate::ml::evaluation::Predictions;
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::torch::{NoGrad, check_precision, images_to_tensor, torch_error};

/// Rows of features that go through the head in one step.
const HEAD_ROWS: usize = 8192;

/// One batch a step. The model is copied at the start: later changes to it do not show.
#[derive(Debug)]
pub struct PredictTask {
    source: Arc<dyn ImageSource>,
    preprocessing: Preprocessing,
    device: Device,
    class_count: usize,
    inference: Inference,
    state: State,
    logits: Vec<f32>,
}

#[derive(Debug)]
enum State {
    Embedding(Box<FeaturePass>),
    Head { features: Features, row: usize },
    Whole(BatchReader),
}

impl PredictTask {
    /// # Errors
    /// `EMPTY_SPLIT`; `PRECISION_UNSUPPORTED`; `CLASS_COUNT_MISMATCH` if the split has a class that the model has not.
    pub fn new(
        backbone: &Backbone,
        source: Arc<dyn ImageSource>,
        precision: Precision,
        cache: Option<&ActivationCache>,
    ) -> Result<Self> {
        let class_count = backbone.class_count();
        check_labels(source.labels(), class_count)?;
        check_precision(precision, backbone.device())?;
        let preprocessing = backbone.spec().preprocessing.clone();
        let state = match backbone.has_embed() {
            true => State::Embedding(Box::new(FeaturePass::new(backbone, source.clone(), precision, cache)?)),
            false => {
                let order = consecutive(source.len(), BATCH);
                State::Whole(BatchReader::start(source.clone(), &preprocessing, order, as_decoded())?)
            }
        };
        let inference = backbone.inference(precision)?;
        let logits = Vec::with_capacity(source.len() * class_count);
        Ok(Self { source, preprocessing, device: backbone.device(), class_count, inference, state, logits })
    }

    /// Rows whose logits are known.
    fn done(&self) -> usize {
        self.logits.len() / self.class_count
    }

    fn advance(&mut self) -> Result<()> {
        match &mut self.state {
            State::Embedding(pass) => {
                if let Some(features) = pass.step()? {
                    self.state = State::Head { features, row: 0 };
                }
            }
            State::Head { features, row } => {
                let end = features.rows().min(*row + HEAD_ROWS);
                let rows = features.range(*row, end, self.device)?;
                *row = end;
                let logits = self.inference.head(&rows)?;
                self.collect(&logits)?;
            }
            State::Whole(reader) => {
                if let Some(batch) = reader.next()? {
                    let images = images_to_tensor(&batch, &self.preprocessing, self.device)?;
                    let logits = self.inference.forward(&images)?;
                    self.collect(&logits)?;
                }
            }
        }
        Ok(())
    }

    fn collect(&mut self, logits: &Tensor) -> Result<()> {
        let start = self.logits.len();
        let count = logits.numel();
        if logits.size().last() != Some(&(self.class_count as i64)) {
            let message =
                format!("the model gives logits of shape {:?} for {} classes", logits.size(), self.class_count);
            return Err(Error::failed_precondition("CLASS_COUNT_MISMATCH", message));
        }
        self.logits.resize(start + count, 0.0);
        let mut copy = || {
            let logits = logits.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
            logits.f_copy_data(&mut self.logits[start..], count)
        };
        copy().map_err(torch_error("read the logits"))
    }
}

impl Task for PredictTask {
    type Output = Predictions;

    fn step(&mut self, _reporter: &mut dyn Reporter) -> Result<Outcome<Predictions>> {
        let _guard = NoGrad::enter();
        self.advance()?;
        if self.done() < self.source.len() {
            return Ok(Outcome::Continue);
        }
        let logits = std::mem::take(&mut self.logits);
        let labels = self.source.labels().to_vec();
        Ok(Outcome::Done(Predictions { class_count: self.class_count, logits, labels }))
    }

    fn position(&self) -> Position {
        let steps = |rows: usize, size: usize| rows.div_ceil(size) as u64;
        let rows = self.source.len();
        match &self.state {
            State::Embedding(pass) => pass.position(),
            State::Head { row, .. } => {
                Position { stage: "predict", step: steps(*row, HEAD_ROWS), total: steps(rows, HEAD_ROWS) }
            }
            State::Whole(_) => {
                Position { stage: "predict", step: steps(self.done(), BATCH), total: steps(rows, BATCH) }
            }
        }
    }
}

fn check_labels(labels: &[u32], class_count: usize) -> Result<()> {
    let Some(position) = labels.iter().position(|&label| label as usize >= class_count) else { return Ok(()) };
    let message = format!("sample {position} has class {} but the model has {class_count} classes", labels[position]);
    Err(Error::failed_precondition("CLASS_COUNT_MISMATCH", message))
}
