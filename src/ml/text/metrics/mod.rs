//! Figures of answers: what a model wrote, and how likely it finds what it did not. Pure numbers and texts in f64.
//!
//! Of scores for membership inference, higher means more likely a member.

mod appearance;
mod extraction;
mod min_k;
mod porter;
mod probability;
mod rouge;
mod token_scores;
mod zlib;

#[cfg(test)]
mod tests;

pub use appearance::{Appearance, Forbidden, appearance};
pub use extraction::{exact_memorisation, extraction_strength};
pub use min_k::{TokenDistribution, min_k, min_k_plus_plus};
pub use porter::stem;
pub use probability::{
    TruthRatioSense, answer_probability, loss_score, reference_score, truth_ratio, truth_ratio_score,
};
pub use rouge::{Rouge, RougeOptions, rouge_1, rouge_l};
pub use token_scores::TokenScores;
pub use zlib::{compressed_length, zlib_score};
