//! Optimisers over named tensors, with state that can be seen, saved and loaded; clipping; learning-rate schedules.
//!
//! tch keeps optimiser state out of reach, so SGD and AdamW are written here, equal to `torch.optim` (tests/golden/optim).
//! Gradients are arguments, never read from the parameters, so that a closed-form gradient and autograd feed the same step.

mod adamw;
mod clip;
mod optimizer;
mod schedule;
mod sgd;

pub use clip::{clip_global_norm, global_norm};
pub use optimizer::Optimizer;
pub use schedule::LearningRate;

#[cfg(test)]
mod golden;
