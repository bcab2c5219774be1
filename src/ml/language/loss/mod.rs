//! What training of text minimises, over logits and hidden states of the scored tokens alone.
//!
//! Every function gives a value for each token or each example; the trainer sums them with the weights that a whole optimiser step
//! has, so that splitting a step into batches changes nothing but rounding. As transformers does since 4.46 (`num_items_in_batch`), the
//! cross-entropy of a step is a mean over all its labelled tokens, not a mean of the means of its batches.
//!
//! | objective | forget loss | source |
//! |---|---|---|
//! | supervised | mean of -log p(token) | |
//! | GradDiff | its negative | open-unlearning `grad_diff.py` |
//! | NPO | -(2/β) log σ(β (nll - nll of the reference)), nll summed over an example | arXiv 2404.05868, equation 3 |
//! | SimNPO | -(2/β) log σ(β (nll/length - δ)) | arXiv 2410.07163, equation 4 |
//! | RMU | squared distance of hidden states to a random direction, mean over width and tokens | arXiv 2403.03218, equation 1 |
//!
//! Where we differ from open-unlearning: its divergence counts prompts and padding as well, ours the labelled tokens; its RMU divides
//! every example by every other's length (a broadcast), ours by its own.

mod lean;
mod likelihood;
mod preference;
mod steering;

pub use lean::{LEAN_LOGITS, lean_token_losses};
pub use likelihood::{divergences, sequence_losses, token_losses};
pub use preference::{npo, simnpo};
pub use steering::{direction, distances};

#[cfg(test)]
mod golden;
