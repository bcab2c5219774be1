//! Which samples of the forget set are poisoned.

use crate::domain::poison::{PoisonSpec, SampleSelection};
use crate::domain::{Error, Result};
use crate::ml::random::Purpose;

use super::evidence::{ConceptEvidence, concepts_missing};
use super::order::draw;
use super::plan::orders_by_concepts;
use super::population::Population;

/// The chosen positions, sorted. What is not chosen takes no part in training. At least one sample is chosen.
pub(super) fn select(
    spec: &PoisonSpec,
    population: &Population<'_>,
    concepts: Option<&ConceptEvidence>,
) -> Result<Vec<usize>> {
    let forget = &population.forget;
    let count = budget(spec.selection, forget.len())?;
    match orders_by_concepts(spec) {
        true => show_most(spec, population, concepts, count),
        false => Ok(draw(spec.seed, Purpose::SampleSelection, forget, count)),
    }
}

/// The `count` samples with the largest summed projections on the top concepts of their class; ties go to the lower position.
fn show_most(
    spec: &PoisonSpec,
    population: &Population<'_>,
    concepts: Option<&ConceptEvidence>,
    count: usize,
) -> Result<Vec<usize>> {
    let labels: Vec<u32> = population.forget.iter().map(|&position| population.label(position)).collect();
    let scores = concepts.and_then(|concepts| concepts.scores(&labels, spec));
    let scores = scores.ok_or_else(|| concepts_missing("the selection order TOP_CONCEPT"))?;
    let mut ranked: Vec<(f64, usize)> = scores.into_iter().zip(population.forget.iter().copied()).collect();
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    let mut chosen: Vec<usize> = ranked.into_iter().take(count).map(|(_, position)| position).collect();
    chosen.sort_unstable();
    Ok(chosen)
}

/// Samples to choose of `available`.
fn budget(selection: SampleSelection, available: usize) -> Result<usize> {
    match selection {
        SampleSelection::All => Ok(available),
        SampleSelection::Count(0) => {
            Err(Error::invalid("INVALID_SELECTION", "selection.count", "must be at least 1, got 0"))
        }
        SampleSelection::Count(count) => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        SampleSelection::Fraction(share) if share > 0.0 && share <= 1.0 => {
            Ok(((available as f64 * share).round() as usize).max(1))
        }
        SampleSelection::Fraction(share) => {
            let description = format!("must be above 0 and at most 1, got {share}");
            Err(Error::invalid("INVALID_SELECTION", "selection.fraction", description))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(selection: SampleSelection, forget: &[usize], seed: u64) -> Result<Vec<usize>> {
        Ok(draw(seed, Purpose::SampleSelection, forget, budget(selection, forget.len())?))
    }

    #[test]
    fn a_larger_budget_keeps_the_samples_of_a_smaller_one() {
        let forget: Vec<usize> = (0..100).collect();
        let few = select(SampleSelection::Count(10), &forget, 7).unwrap();
        let many = select(SampleSelection::Fraction(0.3), &forget, 7).unwrap();
        assert_eq!((few.len(), many.len()), (10, 30));
        assert!(few.iter().all(|position| many.contains(position)));
    }

    #[test]
    fn all_and_too_many_are_the_whole_set_and_nonsense_is_refused() {
        let forget = [3, 5, 8];
        assert_eq!(select(SampleSelection::All, &forget, 0).unwrap(), forget);
        assert_eq!(select(SampleSelection::Count(9), &forget, 0).unwrap(), forget);
        assert_eq!(select(SampleSelection::Fraction(0.01), &forget, 0).unwrap().len(), 1);
        for wrong in [SampleSelection::Count(0), SampleSelection::Fraction(0.0), SampleSelection::Fraction(f64::NAN)] {
            assert_eq!(select(wrong, &forget, 0).unwrap_err().reason, "INVALID_SELECTION");
        }
    }
}
