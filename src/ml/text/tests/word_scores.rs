//! Words from tokens, and which of them stand for a group.

use proptest::prelude::*;

use super::ranking::{rank, rank_first, shares};
use super::*;

#[test]
fn words_are_the_same_for_every_tokenizer() {
    let text = "Don't ask Jean-Luc: 3.14 naïve cafés cost Größe 東京 🙂!";
    for name in ["bpe", "metaspace", "wordpiece"] {
        let tokens = tokenizer(name).encode(text, true).unwrap();
        let found = words(text, &tokens.offsets, &vec![true; tokens.ids.len()]);
        let found: Vec<&str> = found.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(
            found,
            ["Don't", "ask", "Jean", "Luc", "3.14", "naïve", "cafés", "cost", "Größe", "東", "京"],
            "{name}"
        );
    }
}

#[test]
fn a_token_counts_for_the_word_it_shares_most_with() {
    let offsets = [(0, 2), (2, 8), (8, 9), (9, 9)];
    let found = words("ab cdefg h", &offsets, &[true; 4]);
    assert_eq!(found.iter().map(|word| word.tokens.clone()).collect::<Vec<_>>(), [vec![0], vec![1]]);
    assert_eq!(word_scores(&found, &[1.0, 2.0, 4.0, 8.0]), [1.0, 2.0]);
    let none = words("ab cdefg h", &offsets, &[false; 4]);
    assert!(none.is_empty());
}

#[test]
fn every_answer_shares_out_one() {
    let shared = shares([("Paris", 3.0), ("paris", 1.0), ("the", 4.0), ("not", -2.0), ("x", f64::NAN)]);
    assert_eq!(shared.into_iter().collect::<Vec<_>>(), [("paris".to_owned(), 0.5), ("the".to_owned(), 0.5)]);
    assert!(shares([("a", -1.0), ("b", 0.0)]).is_empty());
}

#[test]
fn words_of_a_group_are_significant_against_what_is_kept() {
    let jitter = |index: usize| 1.0 + 0.01 * index as f64;
    let group: Vec<_> =
        (0..8).map(|index| shares([("Vicuna", 3.0 * jitter(index)), ("model", 1.0), ("is", 2.0)])).collect();
    let kept: Vec<_> = (0..8).map(|index| shares([("weather", jitter(index)), ("model", 1.0), ("is", 2.0)])).collect();
    let (group, kept): (Vec<_>, Vec<_>) = (group.iter().collect(), kept.iter().collect());
    let ranked = rank(&group, &kept, 0.05);
    assert_eq!(ranked.iter().map(|word| word.word.as_str()).collect::<Vec<_>>(), ["vicuna", "model"]);
    assert!(ranked[0].significant && ranked[0].answers == 8 && ranked[0].kept_mean == 0.0);
    assert!(!ranked[1].significant, "it is as common in what is kept: {:?}", ranked[1]);
    assert_eq!(rank_first(&group, &kept, 0.05, 1), ranked[..1]);
    let alone = rank(&group, &[], 0.05);
    assert!(alone[0].p_value.is_none() && !alone[0].significant);
}

proptest! {
    #[test]
    fn every_token_counts_at_most_once_and_words_are_in_order(text in "[\\PC\\s]{0,80}") {
        let tokens = tokenizer("bpe").encode(&text, false).unwrap();
        let found = words(&text, &tokens.offsets, &vec![true; tokens.ids.len()]);
        let mut counted: Vec<usize> = found.iter().flat_map(|word| word.tokens.clone()).collect();
        counted.sort_unstable();
        prop_assert!(counted.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(found.windows(2).all(|pair| pair[0].bytes.end <= pair[1].bytes.start));
        for word in &found {
            prop_assert_eq!(&text[word.bytes.clone()], word.text.as_str());
        }
    }
}
