//! BatchNorm statistics measured anew on the retained samples, as the plain mean over batches (`torch.optim.swa_utils.update_bn`).

use super::run::Run;
use crate::domain::Result;
use crate::ml::activations::{BatchReader, as_decoded};
use crate::ml::backbone::BnMode;
use crate::ml::torch::{NoGrad, images_to_tensor};

/// Small batches have noisy variances.
const BATCH: usize = 128;

#[derive(Debug)]
pub(super) struct Recalibration {
    reader: BatchReader,
    done: u64,
    total: u64,
}

impl Recalibration {
    /// Forgets the present statistics; `None` where there is nothing to measure them on, or no BatchNorm.
    pub(super) fn start(run: &Run) -> Result<Option<Self>> {
        let training = &run.training;
        let retained = (0..training.len()).filter(|&row| !training.is_forget[row]);
        let positions: Vec<usize> = retained.map(|row| training.indices[row]).collect();
        // A last batch of one sample has no variance.
        let batches: Vec<Vec<usize>> =
            positions.chunks(BATCH).filter(|batch| batch.len() > 1).map(<[usize]>::to_vec).collect();
        if batches.is_empty() || !run.backbone.has_batch_norm() {
            return Ok(None);
        }
        run.backbone.reset_running_stats()?;
        let total = batches.len() as u64;
        let preprocessing = &run.backbone.spec().preprocessing;
        let reader =
            BatchReader::start(run.source.clone(), preprocessing, Box::new(batches.into_iter()), as_decoded())?;
        Ok(Some(Self { reader, done: 0, total }))
    }

    /// One batch; whether it was the last.
    pub(super) fn step(&mut self, run: &Run) -> Result<bool> {
        let _guard = NoGrad::enter();
        if let Some(batch) = self.reader.next()? {
            let images = images_to_tensor(&batch, &run.backbone.spec().preprocessing, run.backbone.device())?;
            let _logits = run.backbone.forward(&images, BnMode::Cumulative)?;
            self.done += 1;
        }
        Ok(self.done == self.total)
    }

    pub(super) fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }
}
