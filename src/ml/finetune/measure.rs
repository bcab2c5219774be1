//! Loss and accuracy of a training set under the weights as they are.
//!
//! On features it covers every sample; on images an even sample of each part, because a look at all of them costs a third of an epoch.

use tch::{Kind, Tensor};

use super::head::FeatureData;
use super::run::Run;
use super::tally::Tally;
use crate::domain::Result;
use crate::ml::activations::{BatchReader, as_decoded};
use crate::ml::backbone::Inference;
use crate::ml::poison::TrainingSet;
use crate::ml::torch::{NoGrad, images_to_tensor, torch_error};

const FEATURE_ROWS: usize = 8192;
const IMAGE_ROWS: usize = 128;
/// Images looked at, at most.
const FORGET_SAMPLE: usize = 2000;
const RETAIN_SAMPLE: usize = 8000;

#[derive(Debug)]
pub(super) struct MeasurePass {
    /// Of the training set.
    rows: Vec<usize>,
    done: usize,
    tally: Tally,
    probe: Probe,
}

#[derive(Debug)]
enum Probe {
    Features,
    Images { inference: Box<Inference>, reader: BatchReader },
}

impl MeasurePass {
    pub(super) fn over_features(run: &Run) -> Self {
        let rows = (0..run.training.len()).collect();
        Self { rows, done: 0, tally: Tally::default(), probe: Probe::Features }
    }

    /// Copies the model as it is now.
    pub(super) fn over_images(run: &Run) -> Result<Self> {
        let rows = sample(&run.training);
        let positions: Vec<Vec<usize>> =
            rows.chunks(IMAGE_ROWS).map(|rows| rows.iter().map(|&row| run.training.indices[row]).collect()).collect();
        let preprocessing = &run.backbone.spec().preprocessing;
        let reader =
            BatchReader::start(run.source.clone(), preprocessing, Box::new(positions.into_iter()), as_decoded())?;
        let inference = Box::new(run.backbone.inference(run.trainer.precision)?);
        Ok(Self { rows, done: 0, tally: Tally::default(), probe: Probe::Images { inference, reader } })
    }

    /// One batch; gives the tally when it was the last. `features` are those of the run, if it trains on them.
    pub(super) fn step(&mut self, run: &Run, features: Option<&FeatureData>) -> Result<Option<Tally>> {
        let _guard = NoGrad::enter();
        let size = match &self.probe {
            Probe::Features => FEATURE_ROWS,
            Probe::Images { .. } => IMAGE_ROWS,
        };
        let end = self.rows.len().min(self.done + size);
        if let Some(logits) = self.logits(run, features, end)? {
            let rows = &self.rows[self.done..end];
            let losses = losses(run, rows, &logits)?;
            self.tally.add(&run.training, rows, &logits, &losses)?;
        }
        self.done = end;
        Ok((end == self.rows.len()).then_some(self.tally))
    }

    fn logits(&mut self, run: &Run, features: Option<&FeatureData>, end: usize) -> Result<Option<Tensor>> {
        match &mut self.probe {
            Probe::Features => match features {
                Some(features) => run.backbone.head(&features.rows(self.done, end)?).map(Some),
                None => Ok(None),
            },
            Probe::Images { inference, reader } => match reader.next()? {
                Some(batch) => {
                    let preprocessing = &run.backbone.spec().preprocessing;
                    let images = images_to_tensor(&batch, preprocessing, run.backbone.device())?;
                    inference.forward(&images).map(Some)
                }
                None => Ok(None),
            },
        }
    }

    /// Rows done and rows in all.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.done as u64, self.rows.len() as u64)
    }
}

fn losses(run: &Run, rows: &[usize], logits: &Tensor) -> Result<Tensor> {
    let indices: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let losses = || {
        let targets = run.targets.select(&Tensor::f_from_slice(&indices)?.f_to_device(logits.device())?)?;
        targets.losses(&logits.f_log_softmax(-1, Kind::Float)?)
    };
    losses().map_err(torch_error("measure the loss"))
}

/// An even sample of the forget and of the retain part.
fn sample(training: &TrainingSet) -> Vec<usize> {
    let (forget, retain): (Vec<usize>, Vec<usize>) = (0..training.len()).partition(|&row| training.is_forget[row]);
    [even(&forget, FORGET_SAMPLE), even(&retain, RETAIN_SAMPLE)].concat()
}

fn even(rows: &[usize], limit: usize) -> Vec<usize> {
    let count = rows.len().min(limit);
    (0..count).map(|index| rows[index * rows.len() / count]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_evenly_and_whole_when_small() {
        let rows: Vec<usize> = (0..10).collect();
        assert_eq!(even(&rows, 20), rows);
        assert_eq!(even(&rows, 4), [0, 2, 5, 7]);
        assert!(even(&[], 4).is_empty());
    }
}
