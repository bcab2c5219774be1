//! A language model with its weights.
//!
//! ```text
//! tokens ─embed─► embeddings ─begin─► hidden, Pass ─block 0 … block L-1─► ─finish─► hidden ─head─► logits
//! ```
//! All parts record gradients unless the caller holds `NoGrad`; nothing is changed in place. There is no dropout: models are run as they
//! are evaluated, and only an adapter may have its own.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::block::Block;
use super::cache::LayerCache;
use super::config::{LanguageConfig, Positions};
use super::head::Head;
use super::linear::Linear;
use super::lora::Adapter;
use super::norm::Norm;
use super::parts::Parts;
use super::pass::{Branching, Extent, Pass};
use super::rotation::frequencies;
use super::weights::{Weights, checked};
use crate::domain::{Error, Result};
use crate::ml::torch::{NoGrad, deep_copy, torch_error};

#[derive(Debug)]
pub struct LanguageModel {
    config: LanguageConfig,
    kind: Kind,
    device: Device,
    tensors: BTreeMap<String, Tensor>,
    embedding: Tensor,
    /// Rows of a table by position.
    positions: Option<Tensor>,
    /// Of the first segment, which every token is in.
    segment: Option<Tensor>,
    embedding_norm: Option<Norm>,
    frequencies: Option<Tensor>,
    blocks: Vec<Block>,
    final_norm: Option<Norm>,
    head: Head,
}

impl LanguageModel {
    /// Weights that have this kind on a CPU stay views of their files; others are copied.
    ///
    /// # Errors
    /// Missing, surplus and misshapen tensors, another vocabulary, a missing head, values that are not finite.
    pub fn new(config: LanguageConfig, weights: Weights, kind: Kind, device: Device) -> Result<Self> {
        let _guard = NoGrad::enter();
        let parts = Parts::new(&config, checked(&config, weights)?, kind, device)?;
        let paths = config.paths();
        let weight = |path: &str| parts.weight(path);
        let segment = paths.segments.map(weight).transpose()?;
        let turning = match &config.positions {
            Positions::Rotary(rotary) => Some(frequencies(rotary, device).map_err(torch_error("make frequencies"))?),
            Positions::Learned => None,
        };
        Ok(Self {
            kind,
            device,
            embedding: weight(paths.embedding)?,
            positions: paths.positions.map(weight).transpose()?,
            segment: segment.map(|table| table.f_select(0, 0)).transpose().map_err(torch_error("pick a segment"))?,
            embedding_norm: paths.embedding_norm.map(|path| parts.norm(path)).transpose()?,
            frequencies: turning,
            blocks: (0..config.layer_count()).map(|block| Block::new(&parts, block)).collect::<Result<_>>()?,
            final_norm: paths.final_norm.map(|path| parts.norm(path)).transpose()?,
            head: Head::new(&parts)?,
            tensors: parts.into_tensors(),
            config,
        })
    }

    /// A model of its own, whose weights may be changed.
    pub fn deep_copy(&self) -> Result<Self> {
        let copy = |(name, tensor): (&String, &Tensor)| Ok((name.clone(), deep_copy(tensor)?));
        let copies = self.tensors.iter().map(copy).collect::<Result<_, tch::TchError>>();
        let weights = Weights::from_tensors(copies.map_err(torch_error("copy the model"))?);
        Self::new(self.config.clone(), weights, self.kind, self.device)
    }

    pub fn config(&self) -> &LanguageConfig {
        &self.config
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// All weights under their names in transformers' `state_dict`. GPT-2's lie as `[in, out]`.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// Embeddings `[N,T,D]` of tokens `[N,T]` alone, without positions.
    ///
    /// # Errors
    /// `TOKEN_OUT_OF_RANGE` for a token that the vocabulary does not have.
    pub fn embed(&self, tokens: &Tensor) -> Result<Tensor> {
        let failed = torch_error("embed the tokens");
        let size = self.config.vocabulary_size as i64;
        if let Some(token) = extremes(tokens).map_err(&failed)?.into_iter().find(|token| !(0..size).contains(token)) {
            let description =
                format!("token {token} is not in the vocabulary of {size}; use the tokenizer of this model");
            return Err(Error::invalid("TOKEN_OUT_OF_RANGE", "tokens", description));
        }
        let tokens = tokens.f_to_device(self.device).map_err(&failed)?;
        Tensor::f_embedding(&self.embedding, &tokens, -1, false, false).map_err(failed)
    }

    /// Logits `[N,T,V]` of the next token, or `[N,K]` of a classifier. `mask` `[N,T]` is 1 where a token is; see `Pass` for what follows
    /// from it. Logits at padding mean nothing.
    ///
    /// # Errors
    /// `CONTEXT_EXCEEDED` where a row is longer than the model reads.
    pub fn forward(&self, embeddings: &Tensor, mask: Option<&Tensor>, adapter: Option<&Adapter>) -> Result<Tensor> {
        self.head(&self.hidden(embeddings, mask, adapter)?, adapter)
    }

    /// Hidden states `[N,T,D]` before the head, so that a loss need not make logits of tokens that it does not score.
    pub fn hidden(&self, embeddings: &Tensor, mask: Option<&Tensor>, adapter: Option<&Adapter>) -> Result<Tensor> {
        let (mut hidden, pass) = self.begin(embeddings, mask)?;
        for block in 0..self.blocks.len() {
            hidden = self.block(block, &hidden, &pass, adapter)?;
        }
        self.finish(&hidden)
    }

    /// Logits of hidden states: `[..,D]` to `[..,V]`, or of a classifier `[N,T,D]` to `[N,K]`.
    pub fn head(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor> {
        self.head.forward(hidden, adapter)
    }

    /// The last layer of a model that writes, unless it is trained or changed by the adapter.
    pub fn frozen_head(&self, adapter: Option<&Adapter>) -> Option<&Linear> {
        self.head.frozen(adapter)
    }

    /// Hidden states `[N,T,D]` after block `layer`, from 0; later blocks do not run. The final norm is not applied.
    pub fn hidden_at(
        &self,
        layer: usize,
        embeddings: &Tensor,
        mask: Option<&Tensor>,
        adapter: Option<&Adapter>,
    ) -> Result<Tensor> {
        let count = self.blocks.len();
        if layer >= count {
            let description = format!("layer {layer} does not exist; the model has layers 0 to {}", count - 1);
            return Err(Error::invalid("LAYER_OUT_OF_RANGE", "layer", description));
        }
        let (mut hidden, pass) = self.begin(embeddings, mask)?;
        for block in 0..=layer {
            hidden = self.block(block, &hidden, &pass, adapter)?;
        }
        Ok(hidden)
    }

    /// What the first block takes, and what all blocks share. With `block` and `finish` this is `hidden` in pieces, for callers that
    /// compute a block again instead of keeping its activations.
    pub fn begin(&self, embeddings: &Tensor, mask: Option<&Tensor>) -> Result<(Tensor, Pass)> {
        self.enter(embeddings, mask, 0)
    }

    /// One block.
    pub fn block(&self, block: usize, hidden: &Tensor, pass: &Pass, adapter: Option<&Adapter>) -> Result<Tensor> {
        self.blocks[block].forward(hidden, pass, None, adapter)
    }

    /// What follows the last block.
    pub fn finish(&self, hidden: &Tensor) -> Result<Tensor> {
        self.final_norm.as_ref().map_or_else(|| Ok(hidden.shallow_clone()), |norm| norm.forward(hidden))
    }

    /// Hidden states of new tokens after `past` ones that the cache knows; `mask` covers both.
    pub(super) fn extend(
        &self,
        embeddings: &Tensor,
        mask: Option<&Tensor>,
        past: usize,
        cache: &mut [LayerCache],
        adapter: Option<&Adapter>,
    ) -> Result<Tensor> {
        let (hidden, pass) = self.enter(embeddings, mask, past)?;
        self.pass_on(hidden, &pass, cache, adapter)
    }

    /// Hidden states of new tokens that follow what the cache knows in several ways at once.
    pub(super) fn branch(
        &self,
        embeddings: &Tensor,
        branching: &Branching,
        cache: &mut [LayerCache],
        adapter: Option<&Adapter>,
    ) -> Result<Tensor> {
        let pass = Pass::branching(&self.config, self.frequencies.as_ref(), branching, (self.kind, self.device));
        let pass = pass.map_err(torch_error("place the tokens"))?;
        self.pass_on(self.settle(embeddings, &pass)?, &pass, cache, adapter)
    }

    fn pass_on(
        &self,
        mut hidden: Tensor,
        pass: &Pass,
        cache: &mut [LayerCache],
        adapter: Option<&Adapter>,
    ) -> Result<Tensor> {
        for (block, cache) in self.blocks.iter().zip(cache) {
            hidden = block.forward(&hidden, pass, Some(cache), adapter)?;
        }
        self.finish(&hidden)
    }

    fn enter(&self, embeddings: &Tensor, mask: Option<&Tensor>, past: usize) -> Result<(Tensor, Pass)> {
        let (_, length, _) = embeddings.size3().map_err(torch_error("read embeddings [N,T,D]"))?;
        let extent = Extent { past: past as i64, new: length };
        let total = past + length.unsigned_abs() as usize;
        if total > self.config.context {
            let description = format!(
                "{total} tokens are more than the {} that the model reads; shorten the text",
                self.config.context
            );
            return Err(Error::invalid("CONTEXT_EXCEEDED", "tokens", description));
        }
        let place = (self.kind, self.device);
        let pass = Pass::new(&self.config, self.frequencies.as_ref(), mask, extent, place);
        let pass = pass.map_err(torch_error("place the tokens"))?;
        Ok((self.settle(embeddings, &pass)?, pass))
    }

    /// What the first block takes.
    fn settle(&self, embeddings: &Tensor, pass: &Pass) -> Result<Tensor> {
        let hidden = self.place(embeddings, pass).map_err(torch_error("add positions"))?;
        self.embedding_norm.as_ref().map_or(Ok(hidden.shallow_clone()), |norm| norm.forward(&hidden))
    }

    /// Adds what is learnt of segments and positions, in the order of transformers.
    fn place(&self, embeddings: &Tensor, pass: &Pass) -> Result<Tensor, tch::TchError> {
        let mut hidden = embeddings.shallow_clone();
        if let Some(segment) = &self.segment {
            hidden = hidden.f_add(segment)?;
        }
        if let Some(table) = &self.positions {
            hidden = hidden.f_add(&Tensor::f_embedding(table, &pass.positions, -1, false, false)?)?;
        }
        Ok(hidden)
    }
}

/// The least and the greatest token.
fn extremes(tokens: &Tensor) -> Result<Vec<i64>, tch::TchError> {
    if tokens.numel() == 0 {
        return Ok(Vec::new());
    }
    Ok(vec![tokens.f_min()?.f_int64_value(&[])?, tokens.f_max()?.f_int64_value(&[])?])
}
