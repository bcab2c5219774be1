//! What versions say of whole splits of texts, kept for the next job that asks: of several ways to forget each compares with the same
//! version of before and the same reference. Versions and datasets never change, so what was said stays true.

use std::sync::Arc;

use moka::sync::Cache;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::sources::{Data, ModelUse, Samples};
use crate::domain::finetune::Precision;
use crate::domain::text::TextOptions;
use crate::ml::evaluation::Predictions;

/// The least recently used are forgotten beyond it.
const MOST_BYTES: u64 = 64 << 20;

pub(super) struct Memo(Cache<Key, Arc<Predictions>>);

/// SHA-256 of all that predictions follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

#[derive(Serialize)]
struct Question<'a> {
    weights: Vec<&'a str>,
    content: &'a str,
    split: &'a str,
    class_names: &'a [String],
    labels: &'a [u32],
    options: &'a TextOptions,
    precision: Precision,
}

impl Key {
    /// None for images, whose activations are cached elsewhere, and for weights without a hash.
    pub(super) fn of(model: &ModelUse, samples: &Samples, precision: Precision) -> Option<Self> {
        let Data::Texts { options, .. } = &samples.data else { return None };
        let files = std::iter::successors(Some(&model.source), |source| source.base.as_deref());
        let weights: Vec<&str> = files.map(|source| source.sha256.as_str()).collect();
        let question = Question {
            content: &samples.dataset.content_hash,
            split: samples.data.name(),
            class_names: &samples.dataset.class_names,
            labels: &samples.labels,
            options,
            precision,
            weights,
        };
        let is_known = question.weights.iter().all(|hash| !hash.is_empty());
        let bytes = serde_json::to_vec(&question).ok().filter(|_| is_known)?;
        Some(Self(Sha256::digest(bytes).into()))
    }
}

impl Default for Memo {
    fn default() -> Self {
        let bytes = |_: &Key, found: &Arc<Predictions>| {
            let values = found.logits.len() + found.labels.len();
            u32::try_from(values * size_of::<f32>()).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(bytes).build())
    }
}

impl Memo {
    pub(super) fn get(&self, key: Key) -> Option<Predictions> {
        self.0.get(&key).map(|found| (*found).clone())
    }

    pub(super) fn keep(&self, key: Key, found: &Predictions) {
        self.0.insert(key, Arc::new(found.clone()));
    }
}
