//! Learning rate by step, as transformers' `get_{constant,linear,cosine}_schedule_with_warmup`. With peak η, W warm-up steps, T steps and
//! s steps done: `η s/W` while s < W, then `η`, `η (T-s)/(T-W)` or `η (1 + cos(π (s-W)/(T-W)))/2`.

use std::f64::consts::PI;

use crate::domain::text_training::{TextSchedule, TextTrainerSpec};

#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    peak: f64,
    schedule: TextSchedule,
    warmup: u64,
    total: u64,
}

impl Rate {
    pub(super) fn new(trainer: &TextTrainerSpec, steps_per_epoch: u64) -> Self {
        let whole = steps_per_epoch * u64::from(trainer.epochs);
        let total = if trainer.max_steps == 0 { whole } else { whole.min(trainer.max_steps) };
        let warmup = (total as f64 * trainer.warmup_ratio).ceil() as u64;
        Self { peak: trainer.learning_rate, schedule: trainer.schedule, warmup, total }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Of the step that follows `step` completed ones.
    pub(super) fn at(&self, step: u64) -> f64 {
        if step < self.warmup {
            return self.peak * (step as f64 / self.warmup as f64);
        }
        let length = self.total.saturating_sub(self.warmup).max(1) as f64;
        let progress = (step - self.warmup) as f64 / length;
        self.peak
            * match self.schedule {
                TextSchedule::Constant => 1.0,
                TextSchedule::Linear => (1.0 - progress).max(0.0),
                TextSchedule::Cosine => (0.5 * (1.0 + (PI * progress).cos())).max(0.0),
            }
    }
}
