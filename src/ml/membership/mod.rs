//! Membership inference from outputs alone: pure statistics in f64, no tensors. Depends on `domain`, `ml::random` and `ml::evaluation`.
//!
//! Orientation of every score and decision value: higher means more likely a member.

pub mod report;

pub use report::{AttackInputs, OriginalInputs, attack, run_all};
