//! Words of a text from its tokens, by offsets.
//!
//! Words are those of Unicode (UAX 29): `don't` and `3.14` are one, a Chinese character is one. The marks that tokenizers put
//! before sub-words are not looked at, so that every tokenizer gives the same words. A token counts for the word that it
//! shares most bytes with; one without a word (punctuation, space) counts for none.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// A word and the tokens that count for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub bytes: Range<usize>,
    pub tokens: Vec<usize>,
}

/// The words of `text` that have a token among those that are `chosen`, in order.
pub fn words(text: &str, offsets: &[(usize, usize)], chosen: &[bool]) -> Vec<Word> {
    let mut words: Vec<Word> = text
        .unicode_word_indices()
        .map(|(start, word)| Word { text: word.to_owned(), bytes: start..start + word.len(), tokens: Vec::new() })
        .collect();
    for (token, offset) in offsets.iter().enumerate() {
        if chosen.get(token).copied().unwrap_or(false)
            && let Some(word) = closest(&words, *offset)
        {
            words[word].tokens.push(token);
        }
    }
    words.retain(|word| !word.tokens.is_empty());
    words
}

/// The word that shares most bytes with a token, the first of equals.
fn closest(words: &[Word], (start, end): (usize, usize)) -> Option<usize> {
    let first = words.partition_point(|word| word.bytes.end <= start);
    let shared = |word: &Word| word.bytes.end.min(end).saturating_sub(word.bytes.start.max(start));
    let mut best = None;
    for (index, word) in words.iter().enumerate().skip(first).take_while(|(_, word)| word.bytes.start < end) {
        if best.is_none_or(|best: usize| shared(word) > shared(&words[best])) {
            best = Some(index);
        }
    }
    best.filter(|best| shared(&words[*best]) > 0)
}

/// The score of each word: the sum over its tokens.
pub fn word_scores(words: &[Word], scores: &[f64]) -> Vec<f64> {
    let of = |word: &Word| word.tokens.iter().filter_map(|token| scores.get(*token)).sum();
    words.iter().map(of).collect()
}
