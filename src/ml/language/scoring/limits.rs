//! How many examples are read together, and what that takes of memory.

use crate::ml::language::Language;
use crate::ml::language::effort::{Effort, step_tokens};

/// Rows read together at most: beyond it a step gains little.
const MOST_ROWS: usize = 32;
/// Keys and values that are kept at a time, unless a single row needs more.
const KEPT_BYTES: usize = 256 << 20;
/// Logits that are looked at together.
pub(super) const LOGITS: usize = 1 << 22;
/// Values beside a token's hidden state while a block reads it: queries, keys, values, what attention gives and the norms.
const OF_WIDTH: usize = 12;
const OF_NETWORK: usize = 3;
/// Bytes of a logit while its distribution is taken: as it comes, and in f64 its logarithm, its probability and their products.
const LOGIT_BYTES: usize = 48;

/// Tokens of a tree that are kept together behind its prompt.
const GROUP_NODES: usize = 512;

/// Sizes of the batches of one model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Tokens of a step, of all rows together.
    pub(super) step_tokens: usize,
    /// Rows that are read together.
    pub(super) most_rows: usize,
    /// Nodes of a tree that are read together.
    pub(super) group_nodes: usize,
    /// Bytes of the keys and values of a token.
    pub(super) token_bytes: usize,
}

impl Limits {
    pub(super) fn of(language: &Language) -> Self {
        let config = language.model().config();
        let values = 2 * config.layer_count() * config.key_head_count * config.head_size;
        Self {
            step_tokens: step_tokens(language.model(), Effort::Forward),
            most_rows: MOST_ROWS,
            group_nodes: GROUP_NODES,
            token_bytes: values * language.model().kind().elt_size_in_bytes(),
        }
    }

    /// Rows whose keys and values are kept together, of so many tokens each.
    pub(super) fn rows(&self, length: usize) -> usize {
        let fitting = KEPT_BYTES / (self.token_bytes * length.max(1)).max(1);
        fitting.min(self.step_tokens).clamp(1, self.most_rows)
    }

    /// Columns of a step.
    pub(super) fn columns(&self, rows: usize) -> usize {
        (self.step_tokens / rows.max(1)).max(1)
    }
}

impl Language {
    /// What scoring and answering keep at most, with examples of at most `length` tokens: keys and values of a batch, the values of one step,
    /// and the logits that are looked at together.
    pub fn scoring_bytes(&self, length: usize) -> u64 {
        let (limits, config) = (Limits::of(self), self.model().config());
        let length = length.min(config.context()) + GROUP_NODES;
        let kept = limits.rows(length) * length * limits.token_bytes;
        let of_token = OF_WIDTH * config.hidden_size() + OF_NETWORK * config.inner_size;
        let values = limits.step_tokens.max(MOST_ROWS) * of_token * size_of::<f32>();
        let vocabulary = config.vocabulary_size();
        let logits = (limits.step_tokens * vocabulary).min(LOGITS).max(vocabulary);
        (kept + values + logits * LOGIT_BYTES) as u64
    }
}
