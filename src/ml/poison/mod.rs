//! Poisoned training sets: which samples train, under which labels, and why. Pure (no tensors, no files).
//!
//! Sources: `ChangWenhan/Concept_Inference_Unlearn_official` (arXiv 2405.15662) for targeted, random and kept labels and for the data
//! mixes; TREW for the reweighted soft target. We differ where the authors' own results ask for it: `Random` excludes the true class
//! (theirs, kept as `RandomUniformAll`, leaves 1/K of the poison correctly labelled), and a donor is never itself forgotten.
//!
//! ```text
//! split labels ─► population (forget | retain) ─► selection ─► donor ─► labels ─┐
//!                                               └► mix ─────────────────────────┴► (PoisonPlan, TrainingSet)
//! ```
//!
//! `evidence` is what planning may know about concepts, of texts by their words (`words`); `image` changes pixels where an image mode asks
//! for it, `text` answers.

mod donor;
mod evidence;
pub mod image;
mod labels;
mod mix;
mod order;
mod plan;
mod population;
mod selection;
pub mod text;
mod training_set;
mod words;

pub use donor::disagreement;
pub use evidence::ConceptEvidence;
pub use plan::{PoisonInputs, needs_concepts, needs_donors, needs_forget_logits, plan, uses_forget_logits};
pub use training_set::{Targets, TrainingSet};
pub use words::word_evidence;
