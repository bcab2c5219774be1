//! Writes on: tokens that follow a prompt, one a step, with keys and values of what was read kept.
//!
//! Several prompts are padded on the left; each row counts its own positions, so it is answered as if it were alone (but for rounding).

use std::rc::Rc;

use tch::{Device, Kind, TchError, Tensor};

use super::cache::LayerCache;
use super::config::LanguageTask;
use super::lora::Adapter;
use super::model::LanguageModel;
use super::sampling::{Sampling, likeliest};
use crate::domain::{Error, Result};
use crate::ml::torch::{NoGrad, torch_error};

#[derive(Debug, Clone, PartialEq)]
pub struct GenerationOptions {
    /// At most so many new tokens, fewer where the model's context ends.
    pub most_tokens: usize,
    /// Tokens that end an answer; they are its last. The config's `end_tokens` are the usual ones.
    pub stop: Vec<u32>,
    /// Absent: always the likeliest token.
    pub sampling: Option<Sampling>,
}

/// Several prompts answered together.
#[derive(Debug)]
pub struct GenerationBatch {
    model: Rc<LanguageModel>,
    adapter: Option<Rc<Adapter>>,
    options: GenerationOptions,
    cache: Vec<LayerCache>,
    /// Tokens that the cache knows.
    past: usize,
    /// Tokens to be read next, `[N,T]`.
    pending: Tensor,
    /// 1 where a token is, `[N,capacity]`; nothing where no row is padded.
    mask: Option<Tensor>,
    is_done: Vec<bool>,
    written: usize,
    most_tokens: usize,
}

impl GenerationBatch {
    /// # Errors
    /// `NOT_GENERATIVE` for a classifier, `EMPTY_PROMPT`, `CONTEXT_EXCEEDED` for a prompt that leaves no room, and what `Sampling::check`
    /// and `embed` refuse.
    pub fn new(
        model: Rc<LanguageModel>,
        adapter: Option<Rc<Adapter>>,
        prompts: &[Vec<u32>],
        options: GenerationOptions,
    ) -> Result<Self> {
        check(&model, prompts, &options)?;
        let _guard = NoGrad::enter();
        let longest = prompts.iter().map(Vec::len).max().unwrap_or_default();
        let most_tokens = options.most_tokens.min(model.config().context() - longest);
        let capacity = longest + most_tokens;
        let failed = torch_error("begin to generate");
        let place = (model.kind(), model.device());
        Ok(Self {
            cache: LayerCache::of_model(model.config(), prompts.len(), capacity, place).map_err(&failed)?,
            pending: padded(prompts, longest).map_err(&failed)?,
            mask: mask(prompts, longest, capacity).map_err(&failed)?,
            is_done: vec![false; prompts.len()],
            past: 0,
            written: 0,
            most_tokens,
            model,
            adapter,
            options,
        })
    }

    /// The next token of each row, none for rows that are done; nothing at all when every row is.
    ///
    /// # Errors
    /// `NON_FINITE_LOGITS` where the model does not answer with numbers.
    pub fn step(&mut self) -> Result<Option<Vec<Option<u32>>>> {
        if self.written == self.most_tokens || self.is_done.iter().all(|&is_done| is_done) {
            return Ok(None);
        }
        let _guard = NoGrad::enter();
        let logits = self.read()?;
        let mut tokens = Vec::with_capacity(self.is_done.len());
        for (row, logits) in logits.chunks_exact(self.model.config().vocabulary_size()).enumerate() {
            tokens.push(if self.is_done[row] { None } else { Some(self.choose(logits, row)?) });
        }
        self.written += 1;
        // Rows that are done read on, and nobody reads their answers.
        let next: Vec<i64> = tokens.iter().map(|token| i64::from(token.unwrap_or_default())).collect();
        self.pending =
            Tensor::f_from_slice(&next).and_then(|next| next.f_unsqueeze(1)).map_err(torch_error("go on"))?;
        for (is_done, token) in self.is_done.iter_mut().zip(&tokens) {
            *is_done |= token.is_some_and(|token| self.options.stop.contains(&token));
        }
        Ok(Some(tokens))
    }

    /// Reads at most `columns` columns of the prompts before the first token is asked for, so that a step need not read all of them at
    /// once; never the last. Whether more can be read ahead.
    pub fn read_ahead(&mut self, columns: usize) -> Result<bool> {
        let pending = self.pending.size()[1];
        let count = (columns.max(1) as i64).min(pending - 1);
        if count == 0 {
            return Ok(false);
        }
        let _guard = NoGrad::enter();
        let cut = |from: i64, length: i64| self.pending.f_narrow(1, from, length).map_err(torch_error("cut a prompt"));
        let (ahead, rest) = (cut(0, count)?, cut(count, pending - count)?);
        drop(self.extend(&ahead)?);
        self.pending = rest;
        Ok(self.pending.size()[1] > 1)
    }

    /// Reads the pending tokens: logits of what follows the last, row by row.
    fn read(&mut self) -> Result<Vec<f32>> {
        let hidden = self.extend(&self.pending.shallow_clone())?;
        let last = hidden.f_select(1, -1).map_err(torch_error("pick the last token"))?;
        values(&self.model.head(&last, self.adapter.as_deref())?).map_err(torch_error("read the logits"))
    }

    /// Hidden states of the next tokens `[N,T]`, which the cache knows from now on.
    fn extend(&mut self, tokens: &Tensor) -> Result<Tensor> {
        let total = self.past as i64 + tokens.size()[1];
        let mask = self.mask.as_ref().map(|mask| mask.f_narrow(1, 0, total)).transpose();
        let mask = mask.map_err(torch_error("mask the padding"))?;
        let embeddings = self.model.embed(tokens)?;
        let adapter = self.adapter.as_deref();
        let hidden = self.model.extend(&embeddings, mask.as_ref(), self.past, &mut self.cache, adapter)?;
        self.past = total.unsigned_abs() as usize;
        Ok(hidden)
    }

    fn choose(&self, logits: &[f32], row: usize) -> Result<u32> {
        if !logits.iter().all(|logit| logit.is_finite()) {
            let message = "the model answers with infinite values or NaN; check its weights, or use F32";
            return Err(Error::failed_precondition("NON_FINITE_LOGITS", message));
        }
        Ok(match &self.options.sampling {
            Some(sampling) => sampling.draw(logits, row as u64, self.written as u64),
            None => likeliest(logits),
        })
    }
}

fn check(model: &LanguageModel, prompts: &[Vec<u32>], options: &GenerationOptions) -> Result<()> {
    match model.config().task() {
        LanguageTask::Causal => {}
        LanguageTask::Classify { .. } => {
            let message = "the model classifies texts and cannot write; use a causal language model";
            return Err(Error::failed_precondition("NOT_GENERATIVE", message));
        }
    }
    if prompts.is_empty() || prompts.iter().any(Vec::is_empty) {
        return Err(Error::invalid(
            "EMPTY_PROMPT",
            "prompt",
            "a prompt has at least one token; begin with a start token",
        ));
    }
    let context = model.config().context();
    if let Some(prompt) = prompts.iter().find(|prompt| prompt.len() >= context) {
        let length = prompt.len();
        let description =
            format!("a prompt of {length} tokens leaves no room in the {context} that the model reads; shorten it");
        return Err(Error::invalid("CONTEXT_EXCEEDED", "prompt", description));
    }
    options.sampling.as_ref().map_or(Ok(()), Sampling::check)
}

/// Prompts as `[N,longest]`, padded on the left with token 0, which nobody sees.
pub(super) fn padded(prompts: &[Vec<u32>], longest: usize) -> Result<Tensor, TchError> {
    let row = |prompt: &Vec<u32>| {
        let padding = std::iter::repeat_n(0, longest - prompt.len());
        padding.chain(prompt.iter().map(|&token| i64::from(token))).collect::<Vec<i64>>()
    };
    let tokens: Vec<i64> = prompts.iter().flat_map(row).collect();
    Tensor::f_from_slice(&tokens)?.f_view([prompts.len() as i64, longest as i64])
}

pub(super) fn mask(prompts: &[Vec<u32>], longest: usize, capacity: usize) -> Result<Option<Tensor>, TchError> {
    if prompts.iter().all(|prompt| prompt.len() == longest) {
        return Ok(None);
    }
    let row = |prompt: &Vec<u32>| {
        let padding = longest - prompt.len();
        (0..capacity).map(move |place| i64::from(place >= padding))
    };
    let mask: Vec<i64> = prompts.iter().flat_map(row).collect();
    Tensor::f_from_slice(&mask)?.f_view([prompts.len() as i64, capacity as i64]).map(Some)
}

fn values(logits: &Tensor) -> Result<Vec<f32>, TchError> {
    Vec::try_from(logits.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_contiguous()?.f_view(-1)?)
}

/// One prompt answered.
#[derive(Debug)]
pub struct Generation {
    batch: GenerationBatch,
}

impl Generation {
    /// As `GenerationBatch::new`.
    pub fn new(
        model: Rc<LanguageModel>,
        adapter: Option<Rc<Adapter>>,
        prompt: &[u32],
        options: GenerationOptions,
    ) -> Result<Self> {
        Ok(Self { batch: GenerationBatch::new(model, adapter, &[prompt.to_vec()], options)? })
    }

    /// The next token; nothing after the last, which is a stop token unless the room ended first.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would need a second way to tell errors from the end"
    )]
    pub fn next(&mut self) -> Result<Option<u32>> {
        Ok(self.batch.step()?.and_then(|tokens| tokens.into_iter().next().flatten()))
    }
}
