//! ROUGE-1 and ROUGE-L of a sentence (Lin 2004), as `rouge_score` 0.1.2 computes them: lower case, words of `[a-z0-9]` (after lower
//! case of Unicode), with the stemmer words of more than three letters are stemmed (OpenUnlearning and TOFU: recall of ROUGE-L with
//! it). Beyond it, `content_only` leaves out stop-words: the function words of any fluent answer match half of any other.

use std::collections::HashMap;

use super::porter::stem;
use crate::ml::text::stop_words::is_stop_word;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RougeOptions {
    pub stem: bool,
    pub content_only: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rouge {
    pub precision: f64,
    pub recall: f64,
    pub f_measure: f64,
}

impl Rouge {
    fn of(matched: usize, target: usize, answer: usize) -> Self {
        if matched == 0 {
            return Self::default();
        }
        let (precision, recall) = (matched as f64 / answer as f64, matched as f64 / target as f64);
        Self { precision, recall, f_measure: 2.0 * precision * recall / (precision + recall) }
    }
}

/// Words in common, each as often as both have it.
pub fn rouge_1(target: &str, answer: &str, options: RougeOptions) -> Rouge {
    let (target, answer) = (tokens(target, options), tokens(answer, options));
    let mut counts: HashMap<&str, usize> = HashMap::new();
    target.iter().for_each(|token| *counts.entry(token).or_default() += 1);
    let matched = answer.iter().filter(|token| match counts.get_mut(token.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        Some(_) | None => false,
    });
    Rouge::of(matched.count(), target.len(), answer.len())
}

/// The longest sequence of words that both have in this order.
pub fn rouge_l(target: &str, answer: &str, options: RougeOptions) -> Rouge {
    let (target, answer) = (tokens(target, options), tokens(answer, options));
    Rouge::of(longest_common(&target, &answer), target.len(), answer.len())
}

fn longest_common(target: &[String], answer: &[String]) -> usize {
    let mut row = vec![0; answer.len() + 1];
    for word in target {
        let mut diagonal = 0;
        for (at, other) in answer.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if word == other { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    row[answer.len()]
}

fn tokens(text: &str, options: RougeOptions) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words = words.filter(|word| !(options.content_only && is_stop_word(word)));
    words.map(|word| if options.stem && word.len() > 3 { stem(word) } else { word.to_owned() }).collect()
}
