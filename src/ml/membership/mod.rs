//! Membership inference from outputs alone: pure statistics in f64, no tensors. Depends on `domain`, `ml::random` and `ml::evaluation`.
//!
//! ```text
//! Predictions ─► scores ──────────────────────────────────────────┐
//!             └► features ─► logistic / svm (smo) ─► one attack a file ─► Outcome ─► roc, bootstrap ─► AttackReport
//! ```
//!
//! Orientation of every score and decision value: higher means more likely a member.

mod checks;

pub mod bootstrap;
pub mod correctness_gap;
pub mod features;
pub mod forgetting_rate;
pub mod gram;
pub mod logistic;
pub mod outcome;
pub mod report;
pub mod roc;
pub mod scores;
pub mod simple_mia;
pub mod smo;
pub mod splits;
pub mod svc_efficacy;
pub mod svm;

pub use report::{AttackInputs, OriginalInputs, attack, run_all};
