//! Loss and accuracy of the forget and the retain part, summed up batch by batch.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor};

use crate::domain::Result;
use crate::domain::job::Metric;
use crate::ml::poison::TrainingSet;
use crate::ml::torch::{NoGrad, torch_error};

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) forget: Part,
    pub(super) retain: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Part {
    count: u64,
    correct: u64,
    loss: f64,
}

impl Part {
    /// Share of samples whose highest logit is their true class; `None` without samples.
    pub(super) fn accuracy(&self) -> Option<f64> {
        (self.count > 0).then(|| self.correct as f64 / self.count as f64)
    }

    fn metrics(&self, name: &str, step: u64) -> Vec<Metric> {
        let Some(accuracy) = self.accuracy() else { return Vec::new() };
        let metric = |figure: &str, value| Metric { name: format!("{name}.{figure}"), step, value };
        vec![metric("loss", self.loss / self.count as f64), metric("accuracy", accuracy)]
    }
}

impl Tally {
    /// Adds the samples at `rows` of the training set: logits `[n, K]` and losses `[n]`.
    pub(super) fn add(
        &mut self,
        training: &TrainingSet,
        rows: &[usize],
        logits: &Tensor,
        losses: &Tensor,
    ) -> Result<()> {
        let _guard = NoGrad::enter();
        let (predicted, losses) = read(logits, losses).map_err(torch_error("read losses"))?;
        for ((&row, predicted), loss) in rows.iter().zip(predicted).zip(losses) {
            let part = if training.is_forget[row] { &mut self.forget } else { &mut self.retain };
            part.count += 1;
            part.correct += u64::from(predicted == i64::from(training.true_labels[row]));
            part.loss += f64::from(loss);
        }
        Ok(())
    }

    /// `forget.loss`, `forget.accuracy`, `retain.loss`, `retain.accuracy`, as far as there are such samples.
    pub(super) fn metrics(&self, step: u64) -> Vec<Metric> {
        [self.forget.metrics("forget", step), self.retain.metrics("retain", step)].concat()
    }

    pub(super) fn is_finite(&self) -> bool {
        self.forget.loss.is_finite() && self.retain.loss.is_finite()
    }
}

fn read(logits: &Tensor, losses: &Tensor) -> std::result::Result<(Vec<i64>, Vec<f32>), TchError> {
    let predicted = logits.f_argmax(-1, false)?.f_to_device(Device::Cpu)?;
    let losses = losses.f_detach()?.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?;
    Ok((Vec::try_from(predicted)?, Vec::try_from(losses)?))
}
