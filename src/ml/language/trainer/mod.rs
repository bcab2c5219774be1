//! Training of language models: supervised fine-tuning and unlearning, with adapters or all parameters.
//!
//! ```text
//! (reference: losses before training, for NPO) ─► train: batch, batch, optimiser step ◄─┐ ─► measure ─► TextTuned
//!                                                         └─ end of epoch: report, stop? ─┘
//! ```
//! A step of the task is one batch forth and back; an optimiser step follows the last of `accumulation` batches. Parameters, optimiser
//! state, reference losses and the number of steps are the whole state: order, padding and dropout follow from (seed, epoch or step), so
//! a run that stops and resumes ends bit-identical on the CPU. A step that was begun and not ended is begun again.
//!
//! Schedules and clipping are those of transformers and torch: the first step of a warm-up has rate 0. Where we differ from transformers:
//! weight decay acts on every trained parameter, biases and norms included (an adapter has none), and retained examples go round in
//! shuffled order where open-unlearning draws them with replacement.

mod batch;
mod checkpointing;
mod config;
mod objective;
mod order;
mod parameters;
mod pool;
mod rate;
mod report;
mod resume;
mod run;
mod sample;
mod scan;
mod task;

pub use config::{TextFineTuneInputs, TextTuned, validate};
pub(super) use config::{check_layers, compares};
pub use sample::{Target, TextSample};
pub use task::TextFineTuneTask;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;
