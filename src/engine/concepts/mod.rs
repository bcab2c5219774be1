//! What a model's classes owe to concepts: the steps that jobs and plans share. Statistics are `ml::concept`'s; here their inputs
//! are found, embedded and put together.
//!
//! ```text
//! examples (splits, rendered) ─► learn ─┐
//! samples of a split ─► discover ───────┼─► Bank ─► layer (sparse layer on ≤ N training samples) ─► report, evidence for plans
//! stored or imported ───────────────────┘                                                      └─► residue after unlearning
//!
//! texts of a split ─► weighing (words by attribution) ─► words: report
//! ```

mod discover;
mod evidence;
mod examples;
mod layer;
mod learn;
mod pictures;
mod report;
mod residue;
mod sampling;
mod weighing;
mod word_donors;
mod words;

pub(super) use discover::discover;
pub(super) use evidence::{Insight, insight};
pub(super) use layer::{LAYER_SAMPLES, Layer, LayerSettings, fit_layer};
pub(super) use learn::{Learnt, learn};
pub(super) use pictures::{best_pictures, pictures_at};
pub(super) use report::{ReportInputs, judged, report};
pub(super) use residue::{Probe, residue};
pub(super) use weighing::{drawn, listed, weigh};
pub(super) use word_donors::words_of_classes;
pub(super) use words::{WordReportInputs, word_report};
