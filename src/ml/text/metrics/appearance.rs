//! Appearance rate (Concept Inference Unlearning): the share of answers in which a forbidden name appears.
//!
//! A name appears where its words stand, whatever their case and the space between them, and no letter or digit touches either
//! end: `LLaMA` is in "a llama-based model" and not in "llamas".

use crate::domain::{Error, Result};

#[derive(Debug, Clone)]
pub struct Forbidden {
    names: Vec<(String, Vec<String>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appearance {
    pub answers: usize,
    /// Answers with at least one name.
    pub appearing: usize,
    /// Answers with each name, in the order of the names.
    pub by_name: Vec<(String, usize)>,
}

impl Appearance {
    /// 0 without answers.
    pub fn rate(&self) -> f64 {
        if self.answers == 0 { 0.0 } else { self.appearing as f64 / self.answers as f64 }
    }
}

impl Forbidden {
    pub fn new(names: &[String]) -> Result<Self> {
        let words = |name: &String| name.split_whitespace().map(str::to_lowercase).collect::<Vec<String>>();
        if let Some(index) = names.iter().position(|name| words(name).is_empty()) {
            return Err(Error::invalid("EMPTY_TEXT", format!("names[{index}]"), "the name is empty"));
        }
        Ok(Self { names: names.iter().map(|name| (name.clone(), words(name))).collect() })
    }

    /// Which names appear, by index.
    pub fn found(&self, answer: &str) -> Vec<usize> {
        let answer = answer.to_lowercase();
        let found = self.names.iter().enumerate().filter(|(_, (_, words))| appears(&answer, words));
        found.map(|(index, _)| index).collect()
    }
}

/// Counts over answers.
pub fn appearance<'a>(forbidden: &Forbidden, answers: impl IntoIterator<Item = &'a str>) -> Appearance {
    let by_name = forbidden.names.iter().map(|(name, _)| (name.clone(), 0)).collect();
    let mut counts = Appearance { answers: 0, appearing: 0, by_name };
    for answer in answers {
        let found = forbidden.found(answer);
        counts.answers += 1;
        counts.appearing += usize::from(!found.is_empty());
        found.into_iter().for_each(|index| counts.by_name[index].1 += 1);
    }
    counts
}

fn appears(answer: &str, words: &[String]) -> bool {
    let first = words[0].as_str();
    answer.match_indices(first).any(|(start, _)| {
        let before = answer[..start].chars().next_back();
        let after = follow(&answer[start + first.len()..], &words[1..]);
        !touches(before, first.chars().next())
            && after
                .is_some_and(|rest| !touches(rest.chars().next(), words.last().and_then(|word| word.chars().last())))
    })
}

/// What follows after the words, each behind some white space.
fn follow<'a>(mut rest: &'a str, words: &[String]) -> Option<&'a str> {
    for word in words {
        let trimmed = rest.trim_start();
        if trimmed.len() == rest.len() {
            return None;
        }
        rest = trimmed.strip_prefix(word.as_str())?;
    }
    Some(rest)
}

/// Whether the word goes on across an end of the name; a name that ends in punctuation ends anywhere.
fn touches(outside: Option<char>, inside: Option<char>) -> bool {
    outside.is_some_and(char::is_alphanumeric) && inside.is_some_and(char::is_alphanumeric)
}
