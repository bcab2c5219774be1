//! What a language model writes as text: a token a step, whole characters at a time, up to its end or a text to end before.

use std::rc::Rc;

use super::generate::{Generation, GenerationOptions as Choice};
use super::resident::Language;
use super::sampling::Sampling;
use crate::domain::Result;
use crate::domain::generation::{FinishReason, GenerationOptions, Piece};

#[derive(Debug)]
pub struct Writer {
    language: Rc<Language>,
    generation: Generation,
    stop_tokens: Vec<u32>,
    prompt_tokens: u32,
    tokens: Vec<u32>,
    /// Tokens before this one are text that was taken; those from `context` on are decoded with them, since a token may look different
    /// at the beginning of a text.
    taken: usize,
    context: usize,
    held_back: HeldBack,
}

impl Language {
    /// Writes on after `prompt`.
    ///
    /// # Errors
    /// As `Generation::new`.
    pub fn write(self: &Rc<Self>, prompt: &[u32], options: &GenerationOptions) -> Result<Writer> {
        let mut stop_tokens = self.tokenizer().special().stop.clone();
        stop_tokens.extend(self.model().config().end_tokens());
        let choice =
            Choice { most_tokens: options.max_tokens as usize, stop: stop_tokens.clone(), sampling: sampling(options) };
        Ok(Writer {
            generation: Generation::new(self.model().clone(), self.adapter().cloned(), prompt, choice)?,
            language: self.clone(),
            stop_tokens,
            prompt_tokens: prompt.len() as u32,
            tokens: Vec::new(),
            taken: 0,
            context: 0,
            held_back: HeldBack { stop: options.stop.clone(), text: String::new() },
        })
    }

    /// Keys and values of every token, and what one pass over the prompt needs besides.
    pub fn writing_bytes(&self, prompt_tokens: usize, options: &GenerationOptions) -> u64 {
        let config = self.model().config();
        let all = (prompt_tokens + options.max_tokens as usize).min(config.context());
        let kept = 2 * config.layer_count() * config.hidden_size() * all;
        let working = prompt_tokens * config.hidden_size() * WORKING_VALUES + config.vocabulary_size();
        ((kept + working) * size_of::<f32>()) as u64
    }
}

/// Values beside a token's hidden state while a block reads it: queries, keys, values, four times the width in the network.
const WORKING_VALUES: usize = 16;

fn sampling(options: &GenerationOptions) -> Option<Sampling> {
    let GenerationOptions { temperature, top_k, top_p, seed, .. } = *options;
    (temperature > 0.0).then_some(Sampling { temperature, top_k: top_k as usize, top_p, seed })
}

impl Writer {
    /// One token. After a piece that says why it is the last there is none.
    pub fn step(&mut self) -> Result<Piece> {
        let Some(token) = self.generation.next()? else { return Ok(self.last(FinishReason::Length)) };
        self.tokens.push(token);
        if self.stop_tokens.contains(&token) {
            return Ok(self.last(FinishReason::Stop));
        }
        let new = self.new_text()?;
        Ok(match self.held_back.take(&new) {
            (text, true) => Piece { text, ..self.piece(Some(FinishReason::Stop)) },
            (text, false) => Piece { text, ..self.piece(None) },
        })
    }

    /// What the tokens since the last whole character say.
    fn new_text(&mut self) -> Result<String> {
        let tokenizer = self.language.tokenizer();
        let before = tokenizer.decode(&self.tokens[self.context..self.taken], true)?;
        let all = tokenizer.decode(&self.tokens[self.context..], true)?;
        if all.len() <= before.len() || all.ends_with(char::REPLACEMENT_CHARACTER) {
            return Ok(String::new());
        }
        (self.context, self.taken) = (self.taken, self.tokens.len());
        Ok(all.get(before.len()..).unwrap_or_default().to_owned())
    }

    fn last(&mut self, reason: FinishReason) -> Piece {
        Piece { text: std::mem::take(&mut self.held_back.text), ..self.piece(Some(reason)) }
    }

    fn piece(&self, finish: Option<FinishReason>) -> Piece {
        Piece {
            text: String::new(),
            finish,
            prompt_tokens: self.prompt_tokens,
            generated_tokens: self.tokens.len() as u32,
        }
    }
}

/// The end of the text that may become one to end before.
#[derive(Debug)]
struct HeldBack {
    stop: Vec<String>,
    text: String,
}

impl HeldBack {
    /// What can be shown once `new` has come, and whether that is all.
    fn take(&mut self, new: &str) -> (String, bool) {
        self.text += new;
        if let Some(end) = self.stop.iter().filter_map(|stop| self.text.find(stop.as_str())).min() {
            self.text.truncate(end);
            return (std::mem::take(&mut self.text), true);
        }
        let held = self.stop.iter().map(|stop| overlap(&self.text, stop)).max().unwrap_or(0);
        let rest = self.text.split_off(self.text.len() - held);
        (std::mem::replace(&mut self.text, rest), false)
    }
}

/// Bytes at the end of `text` that begin `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let begins = |length: &usize| stop.is_char_boundary(*length) && text.ends_with(&stop[..*length]);
    (1..stop.len()).rev().find(begins).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(stop: &[&str], pieces: &[&str]) -> (Vec<String>, bool) {
        let stop = stop.iter().map(|stop| (*stop).to_owned()).collect();
        let mut held = HeldBack { stop, text: String::new() };
        let mut texts = Vec::new();
        for piece in pieces {
            let (text, is_over) = held.take(piece);
            texts.push(text);
            if is_over {
                return (texts, true);
            }
        }
        (texts, false)
    }

    #[test]
    fn text_that_may_be_a_stop_waits_until_it_is_not() {
        assert_eq!(shown(&["END"], &["a E", "N", "x"]), (vec!["a ".into(), String::new(), "ENx".into()], false));
    }

    #[test]
    fn a_stop_over_several_pieces_ends_the_text_before_it() {
        assert_eq!(shown(&["END", "\n"], &["a E", "ND b"]), (vec!["a ".into(), String::new()], true));
        assert_eq!(shown(&["END", "\n"], &["a\nEND"]), (vec!["a".into()], true));
    }

    #[test]
    fn without_stops_everything_is_shown_at_once() {
        assert_eq!(shown(&[], &["a", "\u{e9}"]), (vec!["a".into(), "\u{e9}".into()], false));
        assert_eq!(overlap("caf\u{e9}", "\u{e9}t"), 2);
    }
}
