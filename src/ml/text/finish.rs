//! From a draft to tokens: which are learnt, which are content, and what is cut when there are too many.
//!
//! Prompt and answer are tokenised together, as the model would read them; a token belongs to a range when it covers a byte of
//! it. The special token right after an answer, its end, is learnt with it. The first token is never learnt: nothing comes
//! before it.

use std::ops::Range;

use super::draft::{Cut, Draft};
use super::tokenizer::{Tokenizer, Tokens};
use crate::domain::Result;

/// An example in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    pub text: String,
    pub tokens: Vec<u32>,
    /// The token is learnt, and scored: answers and what ends them.
    pub labelled: Vec<bool>,
    /// The token says what the example says: no system prompt, no mark of template or tokenizer. Attributions may move it.
    pub content: Vec<bool>,
    /// Bytes of `text`; empty for a token that was added.
    pub offsets: Vec<(usize, usize)>,
    /// Tokens that were cut.
    pub truncated: usize,
    /// Of an example for a classifier.
    pub label: Option<u32>,
    /// An answer has a token that ends it.
    pub ended: bool,
}

impl Encoded {
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    pub fn labelled_count(&self) -> usize {
        self.labelled.iter().filter(|labelled| **labelled).count()
    }

    /// What the labelled tokens say, without the marks that end answers; parts that do not touch are lines of their own.
    pub fn labelled_text(&self) -> String {
        let (mut text, mut end) = (String::new(), None);
        let said = self.offsets.iter().zip(&self.labelled).zip(&self.content);
        for ((&(from, to), _), _) in said.filter(|((_, labelled), content)| **labelled && **content) {
            let before: usize = end.unwrap_or(from);
            if from > before {
                text.push('\n');
            }
            text += self.text.get(from.max(before)..to).unwrap_or_default();
            end = Some(to.max(before));
        }
        text
    }

    /// The tokens of a range, of the same text; the first is not learnt.
    fn part(&self, range: Range<usize>) -> Self {
        let mut part = Self {
            text: self.text.clone(),
            tokens: self.tokens[range.clone()].to_vec(),
            labelled: self.labelled[range.clone()].to_vec(),
            content: self.content[range.clone()].to_vec(),
            offsets: self.offsets[range].to_vec(),
            truncated: self.truncated,
            label: self.label,
            ended: self.ended,
        };
        part.labelled[0] = false;
        part
    }

    fn keep(&mut self, kept: &[bool]) {
        retain(&mut self.tokens, kept);
        retain(&mut self.labelled, kept);
        retain(&mut self.content, kept);
        retain(&mut self.offsets, kept);
        self.truncated += kept.iter().filter(|kept| !**kept).count();
    }
}

fn retain<T>(values: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    values.retain(|_| kept.next().copied().unwrap_or(true));
}

/// The draft in tokens, uncut.
pub(super) fn tokenise(draft: Draft, tokenizer: &Tokenizer, label: Option<u32>) -> Result<Encoded> {
    let Tokens { ids, offsets } = tokenizer.encode(&draft.text, draft.add_special)?;
    let special: Vec<bool> = ids.iter().map(|id| tokenizer.is_special(*id)).collect();
    let content = marked(&offsets, &special, &draft.content);
    let labelled = marked(&offsets, &special, &draft.trained);
    let mut encoded =
        Encoded { text: draft.text, tokens: ids, labelled, content, offsets, truncated: 0, label, ended: true };
    if !draft.trained.is_empty() {
        encoded.ended = end_answers(&mut encoded, &special, draft.needs_end.then(|| tokenizer.special().eos).flatten());
    }
    if let Some(first) = encoded.labelled.first_mut() {
        *first = false;
    }
    Ok(encoded)
}

/// Tokens that cover a byte of a range and are no marks.
fn marked(offsets: &[(usize, usize)], special: &[bool], ranges: &[Range<usize>]) -> Vec<bool> {
    let covers = |(start, end): &(usize, usize)| ranges.iter().any(|range| *start < range.end && *end > range.start);
    offsets.iter().zip(special).map(|(offset, special)| !special && offset.0 < offset.1 && covers(offset)).collect()
}

/// Learns the special token after each answer; appends `end` where the last token of all is an answer's. Whether every answer
/// has its end.
fn end_answers(encoded: &mut Encoded, special: &[bool], end: Option<u32>) -> bool {
    let last: Vec<usize> = (0..encoded.len())
        .filter(|at| encoded.labelled[*at] && !encoded.labelled.get(at + 1).copied().unwrap_or(false))
        .collect();
    let mut ended = true;
    for at in last {
        match special.get(at + 1) {
            Some(true) => encoded.labelled[at + 1] = true,
            Some(false) => ended = false,
            None => ended = end.is_some_and(|end| append(encoded, end)),
        }
    }
    ended
}

fn append(encoded: &mut Encoded, token: u32) -> bool {
    let end = encoded.text.len();
    encoded.tokens.push(token);
    encoded.labelled.push(true);
    encoded.content.push(false);
    encoded.offsets.push((end, end));
    true
}

/// Cuts what may be cut until `context` tokens are left; whether that was possible. At least one token of the content stays.
pub(super) fn fit(encoded: &mut Encoded, cut: Cut, context: usize) -> bool {
    let excess = encoded.len().saturating_sub(context);
    if excess == 0 {
        return true;
    }
    let first_learnt = encoded.labelled.iter().position(|labelled| *labelled).unwrap_or(encoded.len());
    let mut free: Vec<usize> = (0..first_learnt).filter(|at| encoded.content[*at] && !encoded.labelled[*at]).collect();
    match cut {
        Cut::Prompt => {}
        Cut::End => free.reverse(),
        Cut::Nothing => return false,
    }
    if free.len() <= excess {
        return false;
    }
    let mut kept = vec![true; encoded.len()];
    free[..excess].iter().for_each(|at| kept[*at] = false);
    encoded.keep(&kept);
    true
}

/// A long text in windows of the context; each begins with the last token of the one before, so that every token is learnt once.
pub(super) fn windows(encoded: &Encoded, context: usize) -> Vec<Encoded> {
    let (count, step) = (encoded.len(), context.saturating_sub(1).max(1));
    let starts = (0..count.saturating_sub(1).max(1)).step_by(step);
    starts.map(|start| encoded.part(start..(start + step + 1).min(count))).collect()
}
