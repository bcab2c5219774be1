//! Evaluation figures from predictions: pure statistics in f64, no tensors. Depends on `domain` alone.
//!
//! ```text
//! Predictions ─► accuracy (SplitEvaluation) ─► comparison (against a reference) ─► report (EvaluationReport)
//!                   └ wilson                        └ divergence
//! ```

pub mod accuracy;
pub mod comparison;
pub mod divergence;
pub mod predictions;
pub mod report;
pub mod softmax;
pub mod wilson;

pub use accuracy::evaluate_split;
pub use predictions::Predictions;
pub use report::{ReferenceInput, ReportInput, SplitInput, evaluate};
