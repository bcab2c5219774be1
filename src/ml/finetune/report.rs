//! What a run tells durably while it trains.

use super::run::Run;
use super::tally::Tally;
use crate::domain::Result;
use crate::domain::job::{EventBody, Metric};
use crate::ml::step::Reporter;

/// `train.loss` at every `every`-th step.
pub(super) fn batch_loss(run: &Run, loss: f64, every: u64, reporter: &mut dyn Reporter) -> Result<()> {
    match run.step.is_multiple_of(every.max(1)) {
        true => metric("train.loss", run.step, loss, reporter),
        false => Ok(()),
    }
}

/// Loss and accuracy of both parts and the learning rate, at the end of an epoch.
pub(super) fn epoch(run: &Run, tally: &Tally, reporter: &mut dyn Reporter) -> Result<()> {
    for figure in tally.metrics(run.step) {
        reporter.event(EventBody::Metric(figure))?;
    }
    metric("learning_rate", run.step, run.rate.at(run.step.saturating_sub(1)), reporter)
}

fn metric(name: &str, step: u64, value: f64, reporter: &mut dyn Reporter) -> Result<()> {
    reporter.event(EventBody::Metric(Metric { name: name.to_owned(), step, value }))
}
