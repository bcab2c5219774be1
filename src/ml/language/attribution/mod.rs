//! Token attribution: how much each token of a text counts for a model's answer.
//!
//! Integrated gradients (Sundararajan et al. 2017, equation 1) by the token embeddings: `(x - x') * sum_k w_k dF/dx(x' + t_k (x - x'))`,
//! summed over the embedding. `F` is the sum of the log probabilities of an answer's tokens under teacher forcing, each of them by
//! itself, or an output of a classifier. Only tokens that may move do; the others, and all positions and masks, stay those of the
//! text. As Captum's `LayerIntegratedGradients` on the embedding, except that one forward pass serves all tokens of an answer.
//!
//! ```text
//! TokenItem ─► ends (F(x), F(x')) ─► a chunk of the path a step ─► TokenAttribution
//! ```

mod baseline;
mod explained;
mod item;
mod score;
mod task;
#[cfg(test)]
mod tests;

pub use baseline::BaselineTokens;
pub use item::TokenItem;
pub(super) use task::pass_tokens;
pub use task::{FinishedTokens, TokenAttributionTask};
