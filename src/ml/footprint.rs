//! How many bytes a pass through a model holds at its peak, by the number of rows in its batch: measured at two small batches, and a
//! line through both.
//!
//! Activations, their gradients and an algorithm's working memory grow with the batch; gradients of the weights and converted copies
//! of them do not. Measured rather than computed, the line holds for any architecture and for code that nobody here wrote.

use tch::{Device, Kind, Tensor};

use super::backbone::{Backbone, BnMode, Differentiable};
use super::torch::{Autocast, NoGrad, byte_size, images_to_tensor, peak_bytes, torch_error};
use crate::domain::Result;
use crate::domain::attribution::TargetOutput;
use crate::domain::dataset::{ImageBatch, ImageShape, Pixels};
use crate::domain::finetune::{BatchNormMode, Precision, TrainerSpec};
use crate::domain::model::Preprocessing;

/// Added to every prediction: allocators round up.
const MARGIN: f64 = 0.1;
/// Values of an image up to which the larger measurements are cheap. Below them some operations take other ways, which need other
/// memory.
const SMALL_IMAGE: usize = 3 * 64 * 64;

/// Bytes as a line over the rows of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Footprint {
    /// Whatever the batch.
    pub base: f64,
    pub per_row: f64,
}

impl Footprint {
    /// Through two measurements `(rows, bytes)`.
    fn through((few, less): (usize, u64), (many, more): (usize, u64)) -> Self {
        let per_row = (more.saturating_sub(less)) as f64 / (many - few).max(1) as f64;
        Self { base: (less as f64 - per_row * few as f64).max(0.0), per_row }
    }

    /// What the line says, without a margin.
    pub fn measured(&self, rows: usize) -> u64 {
        (self.base + self.per_row * rows as f64) as u64
    }

    /// What to set aside for a batch of so many rows.
    pub fn bytes(&self, rows: usize) -> u64 {
        ((self.base + self.per_row * rows as f64) * (1.0 + MARGIN)).ceil() as u64
    }

    /// The most rows for which `bytes` suffice.
    pub fn rows_within(&self, bytes: u64) -> usize {
        let room = bytes as f64 / (1.0 + MARGIN) - self.base;
        if self.per_row > 0.0 && room > 0.0 { (room / self.per_row) as usize } else { 0 }
    }

    /// Of an optimiser step on images: forward, loss and backward down to the scope. Works on a copy of the model.
    pub fn of_training(model: &Backbone, trainer: &TrainerSpec) -> Result<Self> {
        let copy = model.deep_copy()?;
        let parameters: Vec<Tensor> = copy.trainable(trainer.scope)?.into_iter().map(|(_, tensor)| tensor).collect();
        let bn = match trainer.batch_norm {
            BatchNormMode::Frozen | BatchNormMode::RecalibrateOnRetain => BnMode::Eval,
            BatchNormMode::Update => BnMode::Train,
        };
        measured(model.device(), &model.spec().preprocessing, |images| {
            let logits = {
                let _precision = Autocast::enter(trainer.precision)?;
                copy.forward_scoped(trainer.scope, images, bn)?
            };
            differentiate(&logits, &parameters).map_err(torch_error("differentiate the model"))
        })
    }

    /// Of a pass through the frozen copy that predictions and features are computed with.
    pub fn of_inference(model: &Backbone, precision: Precision) -> Result<Self> {
        let inference = model.inference(precision)?;
        let _guard = NoGrad::enter();
        measured(model.device(), &model.spec().preprocessing, |images| inference.forward(images).map(drop))
    }

    /// Of a pass through the model as it is, without gradients.
    pub fn of_forward(model: &Backbone) -> Result<Self> {
        let _guard = NoGrad::enter();
        measured(model.device(), &model.spec().preprocessing, |images| model.forward(images, BnMode::Eval).map(drop))
    }

    /// Of outputs and gradients by the input, with the memory that the frozen copy keeps from pass to pass.
    pub fn of_explanation(model: &Backbone, precision: Precision) -> Result<Self> {
        let image = &model.spec().preprocessing;
        let peak = |rows: usize| {
            let (copy, images) = (
                model.differentiable(precision)?,
                images_to_tensor(&blank(rows, shape(image)), image, model.device())?,
            );
            let pass = || copy.explain(&images, &vec![0; rows], TargetOutput::Logit).map(drop);
            peak_bytes(model.device(), pass).map(|((), bytes)| (rows, bytes))
        };
        let (few, many) = sizes(image);
        Ok(Self::through(peak(few)?, peak(many)?))
    }
}

/// Bytes of an image after the model's first layer, which attribution works on.
pub fn lifted_bytes(model: &Differentiable) -> Result<u64> {
    let image = &model.spec().preprocessing;
    let lifted = model.lift(&images_to_tensor(&blank(1, shape(image)), image, model.device())?)?;
    Ok(byte_size(&lifted) as u64)
}

fn differentiate(logits: &Tensor, parameters: &[Tensor]) -> std::result::Result<(), tch::TchError> {
    let loss = logits.f_to_kind(Kind::Float)?.f_log_softmax(-1, Kind::Float)?.f_mean(Kind::Float)?;
    Tensor::f_run_backward(&[&loss], parameters, false, false).map(drop)
}

/// Two sizes of batches that say enough and cost little.
fn sizes(preprocessing: &Preprocessing) -> (usize, usize) {
    if shape(preprocessing).value_count() <= SMALL_IMAGE { (8, 16) } else { (2, 4) }
}

fn measured(device: Device, image: &Preprocessing, pass: impl Fn(&Tensor) -> Result<()>) -> Result<Footprint> {
    let (few, many) = sizes(image);
    let peak = |rows: usize| {
        let batch = blank(rows, shape(image));
        peak_bytes(device, || pass(&images_to_tensor(&batch, image, device)?)).map(|((), bytes)| bytes)
    };
    // Once beforehand: what is made on first use and kept is not the batch's.
    peak(few)?;
    Ok(Footprint::through((few, peak(few)?), (many, peak(many)?)))
}

fn shape(image: &Preprocessing) -> ImageShape {
    ImageShape { height: image.height, width: image.width, channels: image.channels }
}

fn blank(count: usize, shape: ImageShape) -> ImageBatch {
    ImageBatch { count, shape, pixels: Pixels::Bytes(vec![127; count * shape.value_count()]) }
}

#[cfg(test)]
mod tests;
