//! Membership inference from outputs alone: pure statistics in f64, no tensors. Depends on `domain`, `ml::random`, `ml::evaluation` and
//! `ml::text::metrics`.
//!
//! ```text
//! Predictions ─► scores ──────────────────────────────────────────┐
//!             └► features ─► logistic / svm (smo) ─► one attack a file ─► Outcome ─► roc, bootstrap ─► AttackReport
//! TokenScores ─► text (one score a text) ─► Outcome ─► the same
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
pub mod text;

pub use report::{AttackInputs, OriginalInputs, attack, run_all};
pub use text::{TextInputs, text_attack};
