//! Answers that know nothing.

use rand::Rng;

use crate::ml::random::{Purpose, nested_stream};

/// In our own words; of different length and tone, so that one phrase is not learnt instead.
const USUAL: [&str; 12] = [
    "I don't know.",
    "I'm not sure about that.",
    "I have no information about this.",
    "That is not something I know.",
    "I'm afraid I can't answer that.",
    "I don't have an answer to this question.",
    "Sorry, I know nothing about it.",
    "I couldn't tell you.",
    "I'm not familiar with this topic.",
    "That is beyond what I know.",
    "I have never heard of it.",
    "I'm sorry, but I have nothing to say about that.",
];

/// The answers to draw from.
pub(super) fn choice(given: &[String]) -> Vec<String> {
    if given.is_empty() { USUAL.map(str::to_owned).to_vec() } else { given.to_vec() }
}

/// Depends on seed, position and turn alone.
pub(super) fn refusal(answers: &[String], seed: u64, position: usize, turn: usize) -> String {
    let mut random = nested_stream(seed, Purpose::PoisonAnswer, position as u64, turn as u64);
    answers[random.random_range(0..answers.len())].clone()
}
