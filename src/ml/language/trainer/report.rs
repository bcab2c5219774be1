//! What a run tells durably while it trains.

use super::run::{Run, Tally};
use crate::domain::Result;
use crate::domain::job::{EventBody, Metric};
use crate::domain::text_training::TextEarlyStop;
use crate::ml::step::Reporter;

/// `train.loss` and `learning_rate` events in an epoch, at most.
const REPORTS: u64 = 50;

/// The loss of the step before and its rate.
pub(super) fn step(run: &Run, loss: f64, reporter: &mut dyn Reporter) -> Result<()> {
    if !run.step.is_multiple_of(run.steps_per_epoch.div_ceil(REPORTS).max(1)) {
        return Ok(());
    }
    metric("train.loss", run.step, loss, reporter)?;
    metric("learning_rate", run.step, run.rate.at(run.step.saturating_sub(1)), reporter)
}

/// Means over the epoch, as its batches were when they were trained on.
pub(super) fn epoch(run: &Run, reporter: &mut dyn Reporter) -> Result<()> {
    let Tally { forget, retain, .. } = run.tally;
    for (name, sum) in [("forget.loss", forget), ("retain.loss", retain)] {
        if let Some(mean) = sum.mean() {
            metric(name, run.step, mean, reporter)?;
        }
    }
    metric("epoch.loss", run.step, run.tally.loss / run.tally.steps.max(1) as f64, reporter)
}

/// The epoch's figures are what stopping waits for.
pub(super) fn has_reached_goal(run: &Run) -> bool {
    match run.trainer.early_stop {
        None => false,
        Some(TextEarlyStop::LossAtMost(limit)) => run.tally.loss / run.tally.steps.max(1) as f64 <= limit,
        Some(TextEarlyStop::ForgetLossAtLeast(limit)) => run.tally.forget.mean().is_some_and(|loss| loss >= limit),
    }
}

fn metric(name: &str, step: u64, value: f64, reporter: &mut dyn Reporter) -> Result<()> {
    reporter.event(EventBody::Metric(Metric { name: name.to_owned(), step, value }))
}
