//! Concepts of texts: the words that classes rest on, in place of a bank's concepts.
//!
//! A class owes to a word its mean share in the class's texts (`ml::text::ranking`), 0 where it is absent, so that the rules for donors,
//! which compare rows of weights, serve texts as they are. Stop-words are left out. Of each class its heaviest words are kept: what
//! comes after them weighs next to nothing in a cosine, and every class is listed for every word.

use std::collections::BTreeSet;

use super::evidence::ConceptEvidence;
use crate::domain::{Error, Result};
use crate::ml::text::ranking::{Shares, weights};

/// Words that a class brings in.
const WORDS_OF_CLASS: usize = 500;

/// From the shares of texts, by class; and of the forget set, in ascending position, where samples are ordered by concepts.
///
/// # Errors
/// `CONCEPTS_MISSING` where no word of any class has a share.
pub fn word_evidence(by_class: &[Vec<&Shares>], forget: Option<&[&Shares]>) -> Result<ConceptEvidence> {
    let names = vocabulary(by_class);
    if names.is_empty() {
        let why = "no word of the texts counts for the model's answers, so that classes cannot be compared by words; name the donor, or use \
                   NEAREST_CLASS";
        return Err(Error::failed_precondition("CONCEPTS_MISSING", why));
    }
    let rows = by_class.iter().flat_map(|texts| means(texts, &names)).collect();
    let projections = forget.map(|texts| texts.iter().flat_map(|shares| projected(shares, &names)).collect());
    Ok(ConceptEvidence { names, weights: rows, projections })
}

fn vocabulary(by_class: &[Vec<&Shares>]) -> Vec<String> {
    let mut chosen = BTreeSet::new();
    for texts in by_class {
        let mut words: Vec<(&str, f64)> = weights(texts).into_iter().collect();
        words.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        chosen.extend(words.into_iter().take(WORDS_OF_CLASS).map(|(word, _)| word));
    }
    chosen.into_iter().map(str::to_owned).collect()
}

/// Mean share of each word; 0 without texts.
fn means(texts: &[&Shares], names: &[String]) -> Vec<f64> {
    let totals = weights(texts);
    let count = texts.len().max(1) as f64;
    names.iter().map(|name| totals.get(name.as_str()).copied().unwrap_or_default() / count).collect()
}

fn projected(shares: &Shares, names: &[String]) -> Vec<f32> {
    names.iter().map(|name| shares.get(name).copied().unwrap_or_default() as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::concept::DonorSuggestion;
    use crate::domain::poison::DonorRule;
    use crate::ml::concept::donor::suggest;
    use crate::ml::text::ranking::shares;

    /// Sport, weather and cooking; sport and weather share rain.
    fn texts() -> [Vec<Shares>; 3] {
        [
            vec![shares([("goal", 2.0), ("rain", 1.0), ("the", 1.0)]), shares([("goal", 1.0), ("rain", 1.0)])],
            vec![shares([("rain", 3.0), ("cloud", 1.0)])],
            vec![shares([("soup", 1.0), ("The", 5.0)])],
        ]
    }

    fn by_class(texts: &[Vec<Shares>]) -> Vec<Vec<&Shares>> {
        texts.iter().map(|texts| texts.iter().collect()).collect()
    }

    fn donor(rule: DonorRule, evidence: &ConceptEvidence) -> DonorSuggestion {
        let name = |class: u32| ["sport", "weather", "cooking"][class as usize].to_owned();
        suggest(rule, 0, &evidence.weights, 3, &evidence.names, &name, &[1, 2]).unwrap()
    }

    #[test]
    fn a_class_owes_a_word_its_mean_share_and_nothing_to_stop_words() {
        let texts = texts();
        let evidence = word_evidence(&by_class(&texts), None).unwrap();
        assert_eq!(evidence.names, ["cloud", "goal", "rain", "soup"]);
        let rain = 0.5 * (0.25 + 0.5);
        assert_eq!(evidence.weights[..4], [0.0, 0.5, rain, 0.0]);
        assert!(evidence.check(3, 0).is_ok());
    }

    #[test]
    fn donors_share_the_heaviest_words() {
        let texts = texts();
        let evidence = word_evidence(&by_class(&texts), None).unwrap();
        for rule in [DonorRule::ConceptConfusion, DonorRule::ConceptCosine] {
            let suggestion = donor(rule, &evidence);
            assert_eq!(suggestion.donor, 1, "{}", suggestion.reason);
        }
        assert!(donor(DonorRule::ConceptConfusion, &evidence).reason.contains("rain"));
    }

    #[test]
    fn forgotten_texts_that_show_the_class_most_come_first() {
        let texts = texts();
        let forget: Vec<&Shares> = texts[0].iter().collect();
        let evidence = word_evidence(&by_class(&texts), Some(&forget)).unwrap();
        assert!(evidence.check(3, 2).is_ok());
        assert_eq!(evidence.projections.unwrap()[4..6], [0.0, 0.5]);
    }

    #[test]
    fn classes_without_a_word_are_refused() {
        let nothing = vec![vec![shares([("the", 1.0)])], vec![]];
        assert_eq!(word_evidence(&by_class(&nothing), None).unwrap_err().reason, "CONCEPTS_MISSING");
    }
}
