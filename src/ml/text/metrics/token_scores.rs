//! What a model says of the labelled tokens of one text.

use serde::{Deserialize, Serialize};

use super::min_k::TokenDistribution;

/// As many of each as there are labelled tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenScores {
    pub distributions: Vec<TokenDistribution>,
    /// What the model finds likeliest in their places.
    pub likeliest: Vec<u32>,
    pub tokens: Vec<u32>,
    /// What the tokens say.
    pub text: String,
}

impl TokenScores {
    pub fn log_probabilities(&self) -> Vec<f64> {
        self.distributions.iter().map(|distribution| distribution.log_probability).collect()
    }

    /// The pieces of one text, one after the other; nothing of no piece.
    pub fn joined(pieces: impl IntoIterator<Item = Self>) -> Option<Self> {
        pieces.into_iter().reduce(|mut whole, piece| {
            whole.distributions.extend(piece.distributions);
            whole.likeliest.extend(piece.likeliest);
            whole.tokens.extend(piece.tokens);
            whole.text += &piece.text;
            whole
        })
    }
}
