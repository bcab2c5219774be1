//! Text on its way into a model and back, without a tensor: tokens, chats, what of them is learnt, words, figures of answers.
//!
//! ```text
//!  TextExample ──► ChatTemplate · Verbaliser ──► Draft (text, ranges) ──► Tokenizer ──► Encoded ──► ml::language
//!                                             (draft, turns)               (finish)        │
//!                                 ranking ◄── words (by offsets) ◄── attribution a token ◄─┘
//!  generated answers, log-probabilities ──► metrics
//! ```
//!
//! Tokenizer files and chat templates were written by somebody else: their sizes and what they may compute are bounded.
//! Depends on `domain` (and `ml::concept` for Student's test).

mod draft;
mod encode;
mod finish;
pub mod metrics;
pub(crate) mod outside;
mod packing;
pub mod ranking;
mod special;
pub mod stop_words;
mod template;
#[cfg(test)]
mod tests;
mod tokenizer;
mod turns;
mod verbaliser;
mod words;

pub use encode::{EncodeOptions, Encoder, Outcome, PromptFormat, encode_all};
pub use finish::Encoded;
pub use packing::{Pack, pack};
pub use special::{PadSource, SpecialTokens};
pub use template::{ChatTemplate, Moment, TemplateTokens};
pub use tokenizer::{Tokenizer, TokenizerFiles, Tokens};
pub use verbaliser::Verbaliser;
pub use words::{Word, word_scores, words};
