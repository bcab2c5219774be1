//! Rows of tokens on their way through a model that writes: some columns a step, with their keys and values kept.

use tch::{TchError, Tensor};

use crate::domain::Result;
use crate::ml::language::Language;
use crate::ml::language::cache::LayerCache;
use crate::ml::language::generate::{mask, padded};
use crate::ml::torch::torch_error;

/// Padded on the left to the longest; each row counts its own positions.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) cache: Vec<LayerCache>,
    /// `[N,T]`.
    tokens: Tensor,
    mask: Option<Tensor>,
    lengths: Vec<usize>,
    past: usize,
}

/// Some columns that were read.
#[derive(Debug)]
pub(super) struct Columns {
    /// The first of them.
    pub(super) first: usize,
    /// `[N,C,D]`.
    pub(super) hidden: Tensor,
}

impl Columns {
    /// Where a column of all is among these.
    pub(super) fn place(&self, column: usize) -> Option<usize> {
        column.checked_sub(self.first).filter(|place| (*place as i64) < self.hidden.size()[1])
    }
}

impl Reading {
    /// The cache has room for `more` columns behind the rows.
    pub(super) fn new(language: &Language, rows: &[Vec<u32>], more: usize) -> Result<Self> {
        let longest = rows.iter().map(Vec::len).max().unwrap_or_default();
        let model = language.model();
        let make = || -> std::result::Result<Self, TchError> {
            let place = (model.kind(), model.device());
            Ok(Self {
                cache: LayerCache::of_model(model.config(), rows.len(), longest + more, place)?,
                tokens: padded(rows, longest)?,
                mask: mask(rows, longest, longest)?,
                lengths: rows.iter().map(Vec::len).collect(),
                past: 0,
            })
        };
        make().map_err(torch_error("make a batch"))
    }

    /// Tokens of each row.
    pub(super) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Columns of all rows.
    pub(super) fn width(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or_default()
    }

    pub(super) fn is_done(&self) -> bool {
        self.past == self.width()
    }

    /// Where token `place` of a row stands among the columns.
    pub(super) fn column(&self, row: usize, place: usize) -> usize {
        self.width() - self.lengths[row] + place
    }

    /// Reads at most `most` columns; nothing where all are read.
    pub(super) fn advance(&mut self, language: &Language, most: usize) -> Result<Option<Columns>> {
        let (first, count) = (self.past, most.min(self.width() - self.past));
        if count == 0 {
            return Ok(None);
        }
        let failed = torch_error("cut a batch");
        let tokens = self.tokens.f_narrow(1, first as i64, count as i64).map_err(&failed)?;
        let seen = self.mask.as_ref().map(|mask| mask.f_narrow(1, 0, (first + count) as i64));
        let seen = seen.transpose().map_err(&failed)?;
        let (model, adapter) = (language.model(), language.adapter().map(AsRef::as_ref));
        let embeddings = model.embed(&tokens)?;
        let hidden = model.extend(&embeddings, seen.as_ref(), first, &mut self.cache, adapter)?;
        self.past += count;
        Ok(Some(Columns { first, hidden }))
    }
}
