//! Which samples of the forget set are poisoned.

use crate::domain::poison::SampleSelection;
use crate::domain::{Error, Result};
use crate::ml::random::Purpose;

use super::order::draw;

/// The chosen positions, sorted. What is not chosen takes no part in training. At least one sample is chosen.
pub(super) fn select(selection: SampleSelection, forget: &[usize], seed: u64) -> Result<Vec<usize>> {
    let count = match selection {
        SampleSelection::All => forget.len(),
        SampleSelection::Count(0) => {
            return Err(Error::invalid("INVALID_SELECTION", "selection.count", "must be at least 1, got 0"));
        }
        SampleSelection::Count(count) => usize::try_from(count).unwrap_or(usize::MAX),
        SampleSelection::Fraction(share) if share > 0.0 && share <= 1.0 => {
            ((forget.len() as f64 * share).round() as usize).max(1)
        }
        SampleSelection::Fraction(share) => {
            let description = format!("must be above 0 and at most 1, got {share}");
            return Err(Error::invalid("INVALID_SELECTION", "selection.fraction", description));
        }
    };
    Ok(draw(seed, Purpose::SampleSelection, forget, count))
}

#[cfg(test)]
mod tests {
    use super::*;

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
