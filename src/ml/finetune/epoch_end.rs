//! What follows from the figures at the end of an epoch.

use super::config::UTILITY_COLLAPSE;
use super::run::Run;
use super::tally::Tally;
use crate::domain::finetune::EarlyStop;

impl Run {
    /// The forget part is forgotten and the retained part has not suffered. Without a forget part, or where the accuracy before
    /// training is not known, there is nothing to stop for.
    pub(super) fn has_reached_goal(&self, tally: &Tally) -> bool {
        let Some(EarlyStop { max_forget_accuracy, max_retain_drop }) = self.trainer.early_stop else { return false };
        let forgotten = tally.forget.accuracy().is_some_and(|accuracy| accuracy <= max_forget_accuracy);
        let kept = match (self.baseline, tally.retain.accuracy()) {
            (Some(before), Some(now)) => before - now <= max_retain_drop,
            (_, None) => true,
            (None, Some(_)) => false,
        };
        forgotten && kept
    }

    pub(super) fn flags(&self, tally: &Tally) -> Vec<String> {
        let collapsed = tally.retain.accuracy().is_some_and(|accuracy| accuracy < self.trainer.min_retain_accuracy);
        if collapsed { vec![UTILITY_COLLAPSE.to_owned()] } else { Vec::new() }
    }
}
