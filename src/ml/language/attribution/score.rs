//! The explained numbers of rows of embeddings.

use tch::{Kind, TchError, Tensor};

use super::item::TokenItem;
use crate::domain::Result;
use crate::domain::attribution::{TargetOutput, TokenTarget};
use crate::ml::language::LanguageModel;
use crate::ml::language::lora::Adapter;
use crate::ml::torch::torch_error;

/// What is asked of a model about one text.
#[derive(Debug)]
pub(super) enum Score {
    /// Log probabilities of `tokens` `[S]` from the states before them, at `before` `[S]`.
    Answer {
        before: Tensor,
        tokens: Tensor,
        is_each: bool,
    },
    Class {
        class: i64,
        output: TargetOutput,
    },
}

impl Score {
    pub(super) fn new(item: &TokenItem, model: &LanguageModel) -> Result<Self> {
        let places = item.answer_places();
        let column = |values: Vec<i64>| Tensor::f_from_slice(&values)?.f_to_device(model.device());
        let failed = torch_error("name the answer");
        match item.target {
            TokenTarget::Class { class, output } => Ok(Self::Class { class: class.into(), output }),
            TokenTarget::Answer | TokenTarget::EachToken => Ok(Self::Answer {
                before: column(places.iter().map(|&place| place as i64 - 1).collect()).map_err(&failed)?,
                tokens: column(places.iter().map(|&place| item.tokens[place].into()).collect()).map_err(&failed)?,
                is_each: item.target == TokenTarget::EachToken,
            }),
        }
    }

    /// Explained numbers `[B,K]` of rows `[B,T,D]`, in f32.
    pub(super) fn of(&self, model: &LanguageModel, adapter: Option<&Adapter>, rows: &Tensor) -> Result<Tensor> {
        let hidden = model.hidden(rows, None, adapter)?;
        let failed = torch_error("score the answer");
        match self {
            Self::Answer { before, tokens, is_each } => {
                let hidden = hidden.f_index_select(1, before).map_err(&failed)?;
                let chosen = log_probabilities(&model.head(&hidden, adapter)?, tokens).map_err(&failed)?;
                if *is_each { Ok(chosen) } else { chosen.f_sum_dim_intlist(1, true, Kind::Float).map_err(failed) }
            }
            Self::Class { class, output } => explained(&model.head(&hidden, adapter)?, *output)
                .and_then(|all| all.f_narrow(1, *class, 1))
                .map_err(failed),
        }
    }
}

/// Of tokens `[S]` in logits `[B,S,V]`.
fn log_probabilities(logits: &Tensor, tokens: &Tensor) -> Result<Tensor, TchError> {
    let (rows, _, _) = logits.size3()?;
    let tokens = tokens.f_view([1, -1, 1])?.f_expand([rows, -1, 1], false)?;
    logits.f_log_softmax(-1, Kind::Float)?.f_gather(-1, &tokens, false)?.f_squeeze_dim(-1)
}

fn explained(logits: &Tensor, output: TargetOutput) -> Result<Tensor, TchError> {
    match output {
        TargetOutput::Logit => logits.f_to_kind(Kind::Float),
        TargetOutput::LogProbability => logits.f_log_softmax(-1, Kind::Float),
        TargetOutput::Probability => logits.f_softmax(-1, Kind::Float),
    }
}
