//! What a language model says of the examples of a dataset, many at a time: how likely it finds each class, or each token of an answer,
//! and what it answers itself.
//!
//! ```text
//! TextSource ─► encode some ─► sort by length ─► batches ─► passes of a few columns ─► one answer an example, in order
//!               (Scan drives, a step each)                  └ classes: prompt once, answers of all classes as a tree behind it
//!                                                           └ tokens: distributions at labelled tokens
//!                                                           └ answers: greedy generation
//! ```
//! Nothing is trained and nothing is kept: a task that was interrupted begins again and finds the same. May depend on what
//! `ml::language` may.

mod answers;
mod ask;
mod branches;
mod checks;
mod classes;
mod classifier;
mod limits;
mod reading;
mod scan;
#[cfg(test)]
mod tests;
mod tokens;
mod tree;

pub use answers::AnswerTask;
pub use classes::ClassScoreTask;
pub use tokens::TokenScoreTask;
