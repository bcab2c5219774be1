//! Scores of tokens.

use super::*;
use crate::ml::text::metrics::{TokenDistribution, TokenScores};

pub(super) fn token_scores(reader: Reader, texts: Texts, limits: Limits) -> Vec<Option<TokenScores>> {
    token_scores_in(Precision::F32, reader, texts, limits)
}

fn token_scores_in(precision: Precision, reader: Reader, texts: Texts, limits: Limits) -> Vec<Option<TokenScores>> {
    let positions = all(&texts);
    finish(TokenScoreTask::within(reader, Arc::new(texts), positions, precision, limits)).unwrap()
}

#[test]
fn in_half_precision_tokens_score_nearly_the_same() {
    if crate::ml::torch::check_precision(Precision::Bf16, tch::Device::Cpu).is_err() {
        eprintln!("SKIPPED: this processor has no bf16");
        return;
    }
    for name in ["llama", "gpt2", "mistral", "qwen2", "gpt_neox"] {
        let language = language(name);
        let scores = |precision| token_scores_in(precision, reader(&language), Texts::completions(), narrow(5, 2, 1));
        let [exact, half] = [Precision::F32, Precision::Bf16].map(scores);
        for (exact, half) in exact.into_iter().flatten().zip(half.into_iter().flatten()) {
            assert_eq!(exact.tokens, half.tokens);
            for (exact, half) in exact.distributions.iter().zip(&half.distributions) {
                let gap = (exact.log_probability - half.log_probability).abs();
                // A logit and what all of them are divided by, each as exact as the golden logits are.
                assert!(gap < 0.25, "{name}: {exact:?} {half:?}");
            }
        }
    }
}

/// The labelled tokens of whole texts, with what the model says in their places.
fn naive_tokens(language: &Language, pieces: &[Encoded]) -> (Vec<u32>, Vec<u32>, Vec<TokenDistribution>) {
    let (mut tokens, mut likeliest, mut distributions) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        let logs = whole(language, &piece.tokens);
        for place in (1..piece.len()).filter(|&place| piece.labelled[place]) {
            let before = &logs[place - 1];
            tokens.push(piece.tokens[place]);
            likeliest
                .push((0..before.len()).fold(0, |best, at| if before[at] > before[best] { at } else { best }) as u32);
            distributions.push(TokenDistribution::of(before, piece.tokens[place] as usize).unwrap());
        }
    }
    (tokens, likeliest, distributions)
}

#[test]
fn tokens_score_what_they_score_in_whole_texts() {
    for (name, texts) in [
        ("llama", Texts::completions as fn() -> Texts),
        ("gpt2", Texts::chats),
        ("mistral", Texts::plain),
        ("qwen2", Texts::labelled),
        ("gpt_neox", Texts::plain),
    ] {
        let language = language(name);
        for limits in [Limits::of(&language), narrow(5, 2, 1)] {
            let found = token_scores(reader(&language), texts(), limits);
            for (at, found) in found.into_iter().enumerate() {
                let (found, pieces) =
                    (found.unwrap(), reader(&language).encoder().pieces(&texts().get(at).unwrap()).unwrap());
                let (tokens, likeliest, distributions) = naive_tokens(&language, &pieces);
                assert_eq!((&found.tokens, &found.likeliest), (&tokens, &likeliest), "{name} {at}");
                assert!(!tokens.is_empty());
                for (found, expected) in found.distributions.iter().zip(&distributions) {
                    let gaps = [
                        found.log_probability - expected.log_probability,
                        found.mean - expected.mean,
                        found.variance - expected.variance,
                    ];
                    assert!(gaps.iter().all(|gap| gap.abs() < 1e-4), "{name} {at}: {found:?} {expected:?}");
                }
            }
        }
    }
}

#[test]
fn scored_texts_are_what_the_answers_tokens_say_and_long_plain_texts_are_read_in_windows() {
    let language = language("llama");
    let texts = |texts: Texts| -> Vec<String> {
        let found = token_scores(reader(&language), texts, Limits::of(&language));
        found.into_iter().map(|scores| scores.unwrap().text).collect()
    };
    assert_eq!(texts(Texts::completions()), ["a top model", ": x", "no", " card, lost"]);
    assert_eq!(texts(Texts::chats()), ["is lost", "a model\ntop"]);
    assert_eq!(texts(Texts::plain())[2], "all of it again, ".repeat(9));
}
