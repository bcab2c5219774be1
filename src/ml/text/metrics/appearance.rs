//! Appearance rate (Concept Inference Unlearning): the share of answers in which a forbidden name appears.
//!
//! A name appears where its words stand, whatever their case and the space between them, and no letter or digit touches either
//! end: `LLaMA` is in "a llama-based model" and not in "llamas".

use std::ops::Range;

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
        let found = self.names.iter().enumerate().filter(|(_, (_, words))| places(&answer, words).next().is_some());
        found.map(|(index, _)| index).collect()
    }

    /// The bytes of `answer` where names stand, in order; they may overlap.
    pub fn places(&self, answer: &str) -> Vec<Range<usize>> {
        let (lowered, origin) = lowered(answer);
        let end = |last: usize| last + answer[last..].chars().next().map_or(0, char::len_utf8);
        let found = self.names.iter().flat_map(|(_, words)| places(&lowered, words));
        let mut found: Vec<Range<usize>> = found.map(|place| origin[place.start]..end(origin[place.end - 1])).collect();
        found.sort_by_key(|place| (place.start, place.end));
        found
    }
}

/// In lower case, and for each byte of that where its character begins in `text`: the lower case of one may be several.
fn lowered(text: &str) -> (String, Vec<usize>) {
    let lowered = text.to_lowercase();
    let bytes = |(at, character): (usize, char)| {
        let length: usize = character.to_lowercase().map(char::len_utf8).sum();
        std::iter::repeat_n(at, length)
    };
    let origin: Vec<usize> = text.char_indices().flat_map(bytes).collect();
    debug_assert_eq!(origin.len(), lowered.len(), "sigma alone depends on its place, and has two bytes at each");
    (lowered, origin)
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

/// Where the words stand in a text in lower case.
fn places<'a>(text: &'a str, words: &'a [String]) -> impl Iterator<Item = Range<usize>> + 'a {
    let first = words[0].as_str();
    starts(text, first).filter_map(move |start| {
        let before = text[..start].chars().next_back();
        let rest = follow(&text[start + first.len()..], &words[1..])?;
        let last = words.last().and_then(|word| word.chars().last());
        let apart = !touches(before, first.chars().next()) && !touches(rest.chars().next(), last);
        apart.then_some(start..text.len() - rest.len())
    })
}

/// Where a word stands, also where it overlaps with itself.
fn starts<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.char_indices().map(|(start, _)| start).filter(move |start| text[*start..].starts_with(word))
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
