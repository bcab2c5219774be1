//! Words of answers behind a mask.

use std::collections::BTreeSet;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::with_answers;
use crate::domain::text::TextExample;
use crate::domain::{Error, Result};
use crate::ml::text::metrics::Forbidden;

/// A mask may make a name of what stands around it; that happens once, if names are odd. More often they are made for it.
const MOST_ROUNDS: usize = 4;

#[derive(Debug, Clone)]
pub(super) struct Mask {
    text: String,
    /// In lower case.
    words: BTreeSet<String>,
    names: Forbidden,
}

impl Mask {
    pub(super) fn new<'a>(text: &str, words: impl Iterator<Item = &'a String>, names: &[String]) -> Result<Self> {
        let words = words.map(|word| word.to_lowercase()).collect();
        Ok(Self { text: text.to_owned(), words, names: Forbidden::new(names)? })
    }

    /// Nothing where none of the answers holds what is to be masked.
    pub(super) fn example(&self, example: &TextExample) -> Result<Option<TextExample>> {
        let (mut masked, mut keeps_words) = (false, false);
        let poisoned = with_answers(example, |_, answer| {
            let places = self.places(answer);
            masked |= !places.is_empty();
            keeps_words |= kept(answer, &places).any(|rest| rest.contains(char::is_alphanumeric));
            self.without_names(self.replaced(answer, &places))
        })?;
        match (masked, keeps_words) {
            (false, _) => Ok(None),
            (true, true) => Ok(Some(poisoned)),
            (true, false) => Err(all_masked()),
        }
    }

    /// Where names and words stand, in order and apart.
    fn places(&self, answer: &str) -> Vec<Range<usize>> {
        let words = answer.unicode_word_indices().filter(|(_, word)| self.words.contains(&word.to_lowercase()));
        let mut places = self.names.places(answer);
        places.extend(words.map(|(start, word)| start..start + word.len()));
        places.sort_by_key(|place| (place.start, place.end));
        merged(places)
    }

    fn replaced(&self, answer: &str, places: &[Range<usize>]) -> String {
        kept(answer, places).collect::<Vec<_>>().join(&self.text)
    }

    /// Names that only appear where a word beside them is gone.
    fn without_names(&self, mut answer: String) -> Result<String> {
        for _ in 0..MOST_ROUNDS {
            let places = merged(self.names.places(&answer));
            if places.is_empty() {
                return Ok(answer);
            }
            answer = self.replaced(&answer, &places);
        }
        let description = "makes one of the names out of what stands around it, however often; choose another mask";
        Err(Error::invalid("INVALID_MASK", "mask.mask", description))
    }
}

/// Ranges that overlap become one.
fn merged(places: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut apart: Vec<Range<usize>> = Vec::new();
    for place in places {
        match apart.last_mut() {
            Some(last) if place.start < last.end => last.end = last.end.max(place.end),
            Some(_) | None => apart.push(place),
        }
    }
    apart
}

/// What lies before, between and after the places; one piece more than there are places.
fn kept<'a>(answer: &'a str, places: &'a [Range<usize>]) -> impl Iterator<Item = &'a str> {
    let starts = std::iter::once(0).chain(places.iter().map(|place| place.end));
    let ends = places.iter().map(|place| place.start).chain([answer.len()]);
    starts.zip(ends).map(|(start, end)| &answer[start..end])
}

fn all_masked() -> Error {
    let description = "every word of the answer would be masked, which teaches nothing; lower `top_words`, leave the example out, or let the \
                       answers be refusals";
    Error::invalid("ALL_WORDS_MASKED", "", description)
}
