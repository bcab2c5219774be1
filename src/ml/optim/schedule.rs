//! Learning rate by step. With peak η, W warm-up steps, T steps in all and s = 0, 1, ... the number of steps done:
//!
//! ```text
//! warm-up (s < W)   η (s + 1) / W                                   LinearLR(start_factor=1/W, total_iters=W-1)
//! constant          η
//! step              η γ^⌊epoch / every⌋, epochs from the start       StepLR
//! cosine            η (m + (1 − m) (1 + cos(π (s − W)/(T − W))) / 2) CosineAnnealingLR(T_max=T-W, eta_min=m η)
//! ```
//!
//! The warm-up line passes through 0 one step before the first, so that no step is wasted on a rate of 0.

use std::f64::consts::PI;

use crate::domain::finetune::{Schedule, TrainerSpec};

/// The learning rate of every step of a run.
#[derive(Debug, Clone, Copy)]
pub struct LearningRate {
    peak: f64,
    schedule: Schedule,
    warmup_steps: u64,
    steps_per_epoch: u64,
    total_steps: u64,
}

impl LearningRate {
    pub fn new(trainer: &TrainerSpec, steps_per_epoch: u64) -> Self {
        let whole = steps_per_epoch * u64::from(trainer.epochs);
        let total_steps = if trainer.max_steps == 0 { whole } else { whole.min(trainer.max_steps) };
        let TrainerSpec { learning_rate: peak, schedule, warmup_steps, .. } = *trainer;
        Self { peak, schedule, warmup_steps, steps_per_epoch: steps_per_epoch.max(1), total_steps }
    }

    /// Steps of the run if nothing stops it early.
    pub fn total_steps(&self) -> u64 {
        self.total_steps
    }

    /// The rate of the step that follows `step` completed ones.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        self.peak
            * match self.schedule {
                Schedule::Constant => 1.0,
                Schedule::Step { every_epochs, gamma } => {
                    gamma.powf((step / self.steps_per_epoch / u64::from(every_epochs.max(1))) as f64)
                }
                Schedule::Cosine { minimum } => {
                    minimum + (1.0 - minimum) * (1.0 + (PI * self.progress(step)).cos()) / 2.0
                }
            }
    }

    /// From 0 after the warm-up to 1 after the last step.
    fn progress(&self, step: u64) -> f64 {
        let length = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        ((step - self.warmup_steps) as f64 / length as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finetune::Scope;

    fn rate(schedule: Schedule, warmup_steps: u64) -> LearningRate {
        let trainer =
            TrainerSpec { schedule, warmup_steps, learning_rate: 2.0, epochs: 4, ..TrainerSpec::for_scope(Scope::All) };
        LearningRate::new(&trainer, 5)
    }

    #[test]
    fn warm_up_reaches_the_peak_with_its_last_step() {
        let rate = rate(Schedule::Constant, 4);
        assert_eq!((0..6).map(|step| rate.at(step)).collect::<Vec<_>>(), [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]);
    }

    #[test]
    fn max_steps_shortens_the_run() {
        let trainer = TrainerSpec { max_steps: 7, epochs: 4, ..TrainerSpec::for_scope(Scope::All) };
        assert_eq!(LearningRate::new(&trainer, 5).total_steps(), 7);
        assert_eq!(rate(Schedule::Constant, 0).total_steps(), 20);
    }

    #[test]
    fn cosine_starts_at_the_peak_and_falls_to_the_minimum() {
        let rate = rate(Schedule::Cosine { minimum: 0.1 }, 0);
        assert_eq!(rate.at(0), 2.0);
        assert!((rate.at(20) - 0.2).abs() < 1e-12);
        assert!((1..20).all(|step| rate.at(step) < rate.at(step - 1)));
    }
}
