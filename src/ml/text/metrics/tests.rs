//! Figures against their references (`tests/golden/text/make.py`) and the golden vectors of the specification.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

const TOLERANCE: f64 = 1e-12;

fn golden<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/text").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

#[derive(Debug, Deserialize)]
struct Pair {
    target: String,
    answer: String,
    stem: bool,
    rouge_1: [f64; 3],
    rouge_l: [f64; 3],
}

#[test]
fn rouge_is_that_of_rouge_score() {
    for pair in golden::<Vec<Pair>>("rouge.json") {
        let options = RougeOptions { stem: pair.stem, content_only: false };
        for (found, expected) in [
            (rouge_1(&pair.target, &pair.answer, options), pair.rouge_1),
            (rouge_l(&pair.target, &pair.answer, options), pair.rouge_l),
        ] {
            for (found, expected) in [found.precision, found.recall, found.f_measure].into_iter().zip(expected) {
                assert_close(found, expected, TOLERANCE);
            }
        }
    }
}

#[test]
fn content_words_alone_do_not_match_by_their_grammar() {
    let options = RougeOptions { stem: false, content_only: true };
    let rouge = rouge_l("He was born in Kuwait City.", "She was born in Paris.", options);
    assert_close(rouge.recall, 1.0 / 3.0, TOLERANCE);
}

#[test]
fn stems_are_nltks() {
    let cases: Vec<(String, String)> = golden("stems.json");
    assert!(cases.len() > 1500);
    for (word, expected) in cases {
        assert_eq!(stem(&word), expected, "{word}");
    }
}

#[derive(Debug, Deserialize)]
struct Scores {
    cases: Vec<Case>,
    zlib: Vec<(String, usize)>,
}

#[derive(Debug, Deserialize)]
struct Case {
    log_p: Vec<f64>,
    tokens: Vec<usize>,
    min_k: std::collections::BTreeMap<String, f64>,
    min_k_plus_plus: std::collections::BTreeMap<String, f64>,
    probability: f64,
}

#[test]
fn scores_of_log_probabilities_are_numpys() {
    for case in golden::<Scores>("scores.json").cases {
        let places = case.log_p.chunks(50).zip(&case.tokens);
        let places: Vec<TokenDistribution> =
            places.map(|(row, token)| TokenDistribution::of(row, *token).unwrap()).collect();
        let tokens: Vec<f64> = places.iter().map(|place| place.log_probability).collect();
        assert_close(answer_probability(&tokens).unwrap(), case.probability, TOLERANCE);
        for (k, expected) in &case.min_k {
            assert_close(min_k(&tokens, k.parse().unwrap()).unwrap(), *expected, TOLERANCE);
        }
        for (k, expected) in &case.min_k_plus_plus {
            assert_close(min_k_plus_plus(&places, k.parse().unwrap()).unwrap(), *expected, 1e-9);
        }
    }
}

#[test]
fn compressed_lengths_are_pythons() {
    for (text, length) in golden::<Scores>("scores.json").zlib {
        assert_eq!(compressed_length(&text).unwrap(), length, "{text:?}");
    }
}

#[test]
fn min_k_takes_at_least_one_token() {
    let scores = [-0.1, -2.0, -3.0, -0.5, -1.0];
    for (k, expected) in [(0.2, -3.0), (0.4, -2.5), (1.0, -1.32), (0.1, -3.0)] {
        assert_close(min_k(&scores, k).unwrap(), expected, TOLERANCE);
    }
    assert_eq!((min_k(&[], 0.2), min_k(&scores, 0.0), min_k(&scores, 1.5)), (None, None, None));
}

#[test]
fn min_k_plus_plus_standardises_and_clamps() {
    let logs: Vec<f64> = [0.7_f64, 0.2, 0.1].iter().map(|p| p.ln()).collect();
    for (token, expected) in [(0, 0.633091824), (1, -1.148611826), (2, -2.134419112)] {
        let place = TokenDistribution::of(&logs, token).unwrap();
        assert_close(place.standardised(), expected, 1e-9);
        assert_close(place.mean, -0.801818553, 1e-9);
        assert_close(place.variance.sqrt(), 0.703126454, 1e-9);
    }
    let uniform = TokenDistribution::of(&[0.25_f64.ln(); 4], 1).unwrap();
    assert_close(uniform.standardised(), 0.0, 1e-9);
    let certain = TokenDistribution::of(&[0.0, f64::NEG_INFINITY], 0).unwrap();
    assert_close(certain.standardised(), 0.0, 1e-9);
}

#[test]
fn probabilities_are_by_token() {
    let (half, quarter) = (0.5_f64.ln(), 0.25_f64.ln());
    assert_close(answer_probability(&[half, half, half]).unwrap(), 0.5, TOLERANCE);
    let ratio = truth_ratio(&[half], &[vec![quarter, quarter], vec![half]]).unwrap();
    assert_close(ratio, (0.25_f64 * 0.5).sqrt() / 0.5, TOLERANCE);
    assert_eq!(truth_ratio(&[half], &[]), None);
    assert_close(truth_ratio_score(2.0, TruthRatioSense::Forget), 0.5, TOLERANCE);
    assert_close(truth_ratio_score(0.25, TruthRatioSense::Forget), 0.25, TOLERANCE);
    assert_close(truth_ratio_score(0.25, TruthRatioSense::Keep), 0.75, TOLERANCE);
    assert_close(truth_ratio_score(2.0, TruthRatioSense::Keep), 0.0, TOLERANCE);
    assert_close(reference_score(&[half], &[quarter]).unwrap(), 2.0_f64.ln(), TOLERANCE);
    assert_eq!(answer_probability(&[]), None);
}

#[test]
fn extraction_counts_what_the_model_gives_back_to_the_end() {
    assert_eq!(extraction_strength(&[9, 2, 3, 4], &[1, 2, 3, 4]), Some(0.75));
    assert_eq!(extraction_strength(&[1, 2, 3, 9], &[1, 2, 3, 4]), Some(0.0));
    assert_eq!(extraction_strength(&[1, 2], &[1, 2]), Some(1.0));
    assert_eq!(exact_memorisation(&[1, 2, 3, 9], &[1, 2, 3, 4]), Some(0.75));
    assert_eq!((extraction_strength(&[], &[]), exact_memorisation(&[], &[])), (None, None));
}

#[test]
fn names_appear_as_words_whatever_their_case() {
    let names = ["LLaMA".to_owned(), "Large  Model Systems".to_owned(), "C++".to_owned()];
    let forbidden = Forbidden::new(&names).unwrap();
    assert_eq!(forbidden.found("I am a Llama-based model."), [0]);
    assert_eq!(forbidden.found("Llamas and ollama."), [] as [usize; 0]);
    assert_eq!(forbidden.found("made by large\nmodel   SYSTEMS."), [1]);
    assert_eq!(forbidden.found("large models systems, largemodel systems"), [] as [usize; 0]);
    assert_eq!(forbidden.found("c++11"), [2]);
    let counts = appearance(&forbidden, ["llama llama", "no", "C++ and LLaMA"]);
    assert_eq!((counts.answers, counts.appearing, counts.by_name[0].1, counts.by_name[2].1), (3, 2, 2, 1));
    assert_close(counts.rate(), 2.0 / 3.0, TOLERANCE);
    assert_eq!(Forbidden::new(&[" ".to_owned()]).unwrap_err().reason, "EMPTY_TEXT");
    assert_eq!(appearance(&forbidden, []).rate(), 0.0);
}

proptest! {
    #[test]
    fn rouge_of_a_text_with_itself_is_one(text in "[a-z]{1,8}( [a-z]{1,8}){0,9}") {
        let rouge = rouge_l(&text, &text, RougeOptions { stem: true, content_only: false });
        prop_assert_eq!((rouge.precision, rouge.recall), (1.0, 1.0));
    }

    #[test]
    fn no_text_breaks_a_figure(text in "\\PC{0,60}", other in "\\PC{0,60}") {
        let options = RougeOptions { stem: true, content_only: true };
        let rouge = rouge_l(&text, &other, options);
        prop_assert!((0.0..=1.0).contains(&rouge.f_measure));
        if let Ok(forbidden) = Forbidden::new(&[other]) {
            let _ = forbidden.found(&text);
        }
    }
}
