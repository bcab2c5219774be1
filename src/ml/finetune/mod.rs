//! Training of a model on a training set: poisoned fine-tuning and its baselines, one optimiser step a step.
//!
//! ```text
//! head scope, frozen statistics, no augmentation        otherwise
//! embed (FeaturePass, usually cached)                   │
//!   └─► train on features ◄──────────┐                  └─► train on images ◄─────────┐
//!         └─► end of epoch: measure ─┤                        └─► end of epoch ───────┤
//!                                    └─► recalibrate BatchNorm? ─► measure ─► FineTuned
//! ```
//!
//! Every method is cross-entropy with a weight for each sample: `1/B`, or for NegGrad+ (SCRUB, arXiv 2302.09880)
//! `alpha/|R|` on retained and `-(1-alpha)/|F|` on forgotten ones. SCRUB's code runs the two halves of a NegGrad+ batch through the
//! model one after the other; here they go together, so with moving BatchNorm statistics they share their batch's.
//!
//! Weights, optimiser state and the number of steps done are the whole state: order and augmentation follow from (seed, epoch), so a
//! run that stops and resumes ends bit-identical on the CPU.

mod augment;
mod config;
mod epoch_end;
mod head;
mod images;
mod loss;
mod measure;
mod order;
mod recalibrate;
mod report;
mod resume;
mod run;
mod tally;
mod task;

pub use config::{FineTuneInputs, FineTuned, UTILITY_COLLAPSE, trains_on_features, validate};
pub use task::FineTuneTask;

#[cfg(test)]
mod tests;
