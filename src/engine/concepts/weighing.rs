//! Which texts are looked at for their words, and what the words of each count for.

use super::super::classes::classes_named;
use super::super::lane::Lane;
use super::super::sources::{Data, ModelUse, Samples, sample};
use crate::device::work::ShareWords;
use crate::domain::attribution::TokenAttributionOptions;
use crate::domain::model::ModelSpec;
use crate::domain::text::TextSource;
use crate::domain::text_attribution::MovedSpan;
use crate::domain::{Error, Result};
use crate::ml::language::{WordShareInputs, WordShares};

/// Of texts without labels, those that are picked.
const PICKED: u32 = 1;

/// Weighs the words of the texts at `positions`: those of a labelled text for its class, those of an answer for the answer.
pub(in crate::engine) async fn weigh(
    lane: &Lane,
    model: &ModelUse,
    samples: &Samples,
    attribution: TokenAttributionOptions,
    positions: Vec<usize>,
) -> Result<WordShares> {
    let Data::Texts { split, options } = &samples.data else {
        return Err(Error::internal("images where texts were expected"));
    };
    let labels = samples.labels_at(&positions);
    let span = MovedSpan::from(split.form());
    let work = ShareWords {
        model: model.source.clone(),
        class_names: samples.dataset.class_names.clone(),
        options: options.clone(),
        inputs: WordShareInputs { texts: split.clone(), positions, labels, span, attribution },
    };
    lane.run(&model.device, work).await
}

/// A seeded draw of at most `count` texts of each class, ascending.
pub(in crate::engine) fn drawn(samples: &Samples, count: usize, seed: u64) -> Vec<usize> {
    let mut by_class = std::collections::BTreeMap::<u32, Vec<usize>>::new();
    samples.labels.iter().enumerate().for_each(|(position, label)| by_class.entry(*label).or_default().push(position));
    let draw = |(class, positions): (u32, Vec<usize>)| sample(&positions, count, seed, u64::from(class));
    let mut drawn: Vec<usize> = by_class.into_iter().flat_map(draw).collect();
    drawn.sort_unstable();
    drawn
}

/// Classes that a report lists: those named, or all; of texts without labels those that are picked.
pub(in crate::engine) fn listed(classes: &[String], samples: &Samples, seen: &ModelSpec) -> Result<Vec<u32>> {
    match samples.has_classes() || !classes.is_empty() {
        true => classes_named(classes, &seen.class_names, seen.class_count),
        false => Ok(vec![PICKED]),
    }
}
