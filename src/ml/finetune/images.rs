//! Training on images: decoded and augmented ahead on the reader's thread, in the order of (seed, epoch).

use std::sync::Arc;

use tch::{Kind, Tensor};

use super::augment::augment;
use super::order::DataOrder;
use super::run::Run;
use crate::domain::finetune::TrainerSpec;
use crate::domain::{Error, Result};
use crate::ml::activations::{BatchReader, Prepare};
use crate::ml::poison::TrainingSet;
use crate::ml::torch::{Autocast, images_to_tensor, torch_error};

/// The stream of batches from the run's next step to its last.
#[derive(Debug)]
pub(super) struct ImageData {
    reader: BatchReader,
}

impl ImageData {
    pub(super) fn new(run: &Run) -> Result<Self> {
        let positions =
            positions(run.order.clone(), run.training.clone(), run.steps_per_epoch, run.step, run.rate.total_steps());
        let prepare = augmenting(&run.trainer, run.steps_per_epoch, run.step);
        let reader = BatchReader::start(run.source.clone(), &run.backbone.spec().preprocessing, positions, prepare)?;
        Ok(Self { reader })
    }

    /// One optimiser step; the loss of its batch.
    pub(super) fn step(&mut self, run: &mut Run) -> Result<f64> {
        let images = self.reader.next()?.ok_or_else(|| Error::internal("the batches ended before the run"))?;
        let device = run.backbone.device();
        let images = images_to_tensor(&images, &run.backbone.spec().preprocessing, device)?;
        let (batch, epoch) = run.batch();
        let rows = epoch.rows_of(batch).to_vec();
        let weights = run.weights.of(batch.weighting, rows.len())?;
        let logits = forward(run, &images)?;
        let differentiate = || {
            let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
            let targets = run.targets.select(&Tensor::f_from_slice(&indices)?.f_to_device(device)?)?;
            let losses = targets.losses(&logits.f_log_softmax(-1, Kind::Float)?)?;
            let loss = weights.total(&losses)?;
            let gradients = run.gradients(&loss)?;
            Ok((losses, loss, gradients))
        };
        let (losses, loss, gradients) = differentiate().map_err(torch_error("differentiate the model"))?;
        let value = run.apply(&loss, gradients)?;
        run.tally.add(&run.training, &rows, &logits, &losses)?;
        Ok(value)
    }
}

/// Logits as f32, with gradients down to the scope.
fn forward(run: &Run, images: &Tensor) -> Result<Tensor> {
    let _precision = Autocast::enter(run.trainer.precision)?;
    let logits = run.backbone.forward_scoped(run.trainer.scope, images, run.bn_mode())?;
    logits.f_to_kind(Kind::Float).map_err(torch_error("convert the logits"))
}

/// Positions in the split, batch after batch, of steps `from..until`.
fn positions(
    order: Arc<DataOrder>,
    training: Arc<TrainingSet>,
    steps_per_epoch: u64,
    from: u64,
    until: u64,
) -> Box<dyn Iterator<Item = Vec<usize>> + Send> {
    let epochs = from / steps_per_epoch..until.div_ceil(steps_per_epoch);
    let batches = epochs.flat_map(move |number| {
        let epoch = order.epoch(number);
        let first = if number == from / steps_per_epoch { from % steps_per_epoch } else { 0 };
        let training = training.clone();
        let positions = move |row: &usize| training.indices[*row];
        let batches: Vec<Vec<usize>> = epoch.batches[first as usize..]
            .iter()
            .map(|&batch| epoch.rows_of(batch).iter().map(&positions).collect())
            .collect();
        batches
    });
    Box::new(batches.take((until - from) as usize))
}

/// Augments the reader's `n`-th batch as that of step `from + n`.
fn augmenting(trainer: &TrainerSpec, steps_per_epoch: u64, from: u64) -> Prepare {
    let (augmentation, seed) = (trainer.augmentation, trainer.seed);
    Box::new(move |number, positions, batch| {
        let epoch = (from + number as u64) / steps_per_epoch;
        augment(batch, positions, augmentation, seed, epoch)
    })
}
