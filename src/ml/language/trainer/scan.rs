//! Negative log-likelihoods of samples as the model stands, a batch a step: before training for NPO, after it for the figures.

use tch::{Device, Kind, TchError, Tensor};

use super::batch::{Batch, Scored};
use super::checkpointing::Passage;
use super::objective::{Likelihood, logits};
use super::run::Run;
use crate::domain::Result;
use crate::domain::job::Metric;
use crate::ml::torch::{Autocast, NoGrad, torch_error};

/// Goes through the first `count` samples of a run.
#[derive(Debug)]
pub(super) struct Scan {
    count: usize,
    scores: Vec<Score>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Score {
    pub(super) loss: f64,
    scored: usize,
    /// Rows whose highest logit is the target.
    correct: usize,
}

impl Scan {
    pub(super) fn new(count: usize) -> Self {
        Self { count, scores: Vec::with_capacity(count) }
    }

    pub(super) fn progress(&self) -> (u64, u64) {
        (self.scores.len() as u64, self.count as u64)
    }

    /// One batch; all scores after the last.
    pub(super) fn step(&mut self, run: &mut Run) -> Result<Option<Vec<Score>>> {
        let _guard = NoGrad::enter();
        run.parameters.clear_dropout();
        let from = self.scores.len();
        let to = self.count.min(from + run.trainer.batch_size.max(1) as usize);
        if from < to {
            self.scores.extend(score(run, from..to)?);
        }
        Ok((self.scores.len() >= self.count).then(|| std::mem::take(&mut self.scores)))
    }
}

fn score(run: &Run, range: std::ops::Range<usize>) -> Result<Vec<Score>> {
    let samples: Vec<_> = run.pool.samples[range.clone()].iter().collect();
    let batch = Batch::new(&samples, run.model.device())?;
    let _precision = Autocast::enter(run.trainer.precision)?;
    let (model, adapter) = (&run.model, run.parameters.adapter.as_ref());
    let depth = model.config().layer_count();
    let hidden = Passage { model, adapter, batch: &batch, depth, precision: run.trainer.precision }.hidden()?;
    let logits = logits(model, adapter, &batch, &hidden)?;
    let losses = Likelihood::of(&logits, &batch)?.sequences(&batch)?;
    let (losses, hits) = read(&logits, &losses, &batch).map_err(torch_error("read the likelihood of the examples"))?;
    let score = |((sample, loss), correct): ((&&super::sample::TextSample, f64), usize)| Score {
        loss,
        scored: sample.scored_count(),
        correct,
    };
    Ok(samples.iter().zip(losses).zip(hits).map(score).collect())
}

/// Summed loss and number of right rows of each sample.
fn read(logits: &Tensor, losses: &Tensor, batch: &Batch) -> std::result::Result<(Vec<f64>, Vec<usize>), TchError> {
    let losses = Vec::<f64>::try_from(losses.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?)?;
    let right = logits.f_argmax(-1, false)?.f_eq_tensor(batch.targets())?.f_to_kind(Kind::Int64)?;
    let right = Vec::<i64>::try_from(right.f_to_device(Device::Cpu)?)?;
    let owners = match &batch.scored {
        Scored::Tokens { rows, .. } => Vec::<i64>::try_from(rows.owners.f_to_device(Device::Cpu)?)?,
        Scored::Classes(_) => (0..batch.size as i64).collect(),
    };
    let mut hits = vec![0_usize; batch.size];
    owners.iter().zip(right).for_each(|(&owner, right)| hits[owner as usize] += usize::from(right == 1));
    Ok((losses, hits))
}

/// `forget.loss`, `forget.accuracy`, `retain.loss`, `retain.accuracy`: means over labelled tokens or classes.
pub(super) fn metrics(scores: &[Score], forget_count: usize, step: u64) -> Vec<Metric> {
    let (forget, retain) = scores.split_at(forget_count.min(scores.len()));
    [("forget", forget), ("retain", retain)].into_iter().flat_map(|(name, scores)| part(name, scores, step)).collect()
}

fn part(name: &str, scores: &[Score], step: u64) -> Vec<Metric> {
    let scored = scores.iter().map(|score| score.scored).sum::<usize>() as f64;
    if scored == 0.0 {
        return Vec::new();
    }
    let metric = |figure: &str, value: f64| Metric { name: format!("{name}.{figure}"), step, value: value / scored };
    let loss = scores.iter().map(|score| score.loss).sum();
    let correct = scores.iter().map(|score| score.correct).sum::<usize>() as f64;
    vec![metric("loss", loss), metric("accuracy", correct)]
}
