//! Words in the place of concepts, where the donor of labelled texts is chosen by them.

use super::weighing::{drawn, weigh};
use super::words::by_class;
use crate::domain::Result;
use crate::domain::attribution::TokenAttributionOptions;
use crate::engine::failure::blocking;
use crate::engine::lane::Lane;
use crate::engine::sources::{ModelUse, Samples};
use crate::ml::poison::{ConceptEvidence, word_evidence};

/// Texts of a class that are looked at.
const TEXTS_OF_CLASS: usize = 20;

/// What the classes of labelled texts owe to words.
///
/// # Errors
/// `CONCEPTS_MISSING` where no word counts for any answer.
pub(in crate::engine) async fn words_of_classes(
    lane: &Lane,
    model: &ModelUse,
    samples: &Samples,
    seed: u64,
) -> Result<ConceptEvidence> {
    let positions = drawn(samples, TEXTS_OF_CLASS, seed);
    let shares = weigh(lane, model, samples, TokenAttributionOptions::default(), positions).await?;
    let classes = samples.seen_by(model.spec()).class_count as usize;
    let labels = samples.labels.clone();
    blocking(move || word_evidence(&by_class(&shares, &labels, classes), None)).await
}
