//! Evaluation figures from predictions, answers and scores of tokens: pure statistics in f64, no tensors. Depends on `domain` and
//! `ml::text::metrics`.
//!
//! ```text
//! Predictions ─► accuracy (SplitEvaluation) ─► comparison (against a reference) ─► report (EvaluationReport)
//!                   └ wilson                        └ divergence
//! answers, TokenScores ─► text_figures (TextFigures)
//! ```

pub mod accuracy;
pub mod comparison;
pub mod divergence;
pub mod predictions;
pub mod report;
pub mod softmax;
pub mod text_figures;
pub mod wilson;

pub use accuracy::evaluate_split;
pub use predictions::Predictions;
pub use report::{ReferenceInput, ReportInput, SplitInput, evaluate};
pub use text_figures::{TextFigureInputs, text_figures};
