//! One text on its way from its baseline to itself.

use tch::{Kind, TchError, Tensor};

use super::baseline::BaselineTokens;
use super::item::TokenItem;
use super::score::Score;
use crate::domain::attribution::{TokenAttribution, TokenAttributionOptions, TokenBaseline, TokenTarget};
use crate::domain::{Error, Result};
use crate::ml::attribution::{Completeness, Quadrature};
use crate::ml::language::LanguageModel;
use crate::ml::language::lora::Adapter;
use crate::ml::torch::{NoGrad, is_finite, torch_error};

/// Adaptive integration doubles up to here.
pub(super) const MOST_ADAPTIVE_STEPS: u32 = 512;

/// A model with its adapter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answerer<'a> {
    pub(super) model: &'a LanguageModel,
    pub(super) adapter: Option<&'a Adapter>,
}

#[derive(Debug)]
pub(super) struct Explained {
    item: TokenItem,
    options: TokenAttributionOptions,
    baseline: TokenBaseline,
    score: Score,
    /// `[1,T,D]`.
    start: Tensor,
    /// From the baseline to the text, 0 where a token does not move.
    way: Tensor,
    is_baseline: bool,
    /// `[2][K]`: of the text and of its baseline.
    outputs: Option<[Vec<f64>; 2]>,
    quadrature: Quadrature,
    /// Points of the quadrature that are done.
    done: usize,
    /// For each explained number the weighted gradients `[T,D]`.
    sums: Vec<Tensor>,
}

impl Explained {
    pub(super) fn new(
        item: TokenItem,
        options: TokenAttributionOptions,
        special: &BaselineTokens,
        answerer: Answerer<'_>,
    ) -> Result<Self> {
        item.check(answerer.model.config())?;
        let _guard = NoGrad::enter();
        let (baseline, token) = special.choose(options.baseline);
        let end = embeddings(&item.tokens, answerer.model)?;
        let nothing = token.map(|token| embeddings(&[token], answerer.model)).transpose()?;
        let start = replaced(&end, nothing.as_ref(), &item.movable).map_err(torch_error("make the baseline"))?;
        let way = end.f_sub(&start).map_err(torch_error("find the way from the baseline"))?;
        Ok(Self {
            score: Score::new(&item, answerer.model)?,
            is_baseline: way
                .f_any()
                .and_then(|any| any.f_int64_value(&[]))
                .map_err(torch_error("compare with the baseline"))?
                == 0,
            quadrature: Quadrature::new(options.rule, options.steps as usize),
            item,
            options,
            baseline,
            start,
            way,
            outputs: None,
            done: 0,
            sums: Vec::new(),
        })
    }

    pub(super) fn length(&self) -> usize {
        self.item.tokens.len()
    }

    /// Rows that are still to be run, both ends included.
    pub(super) fn remaining(&self) -> usize {
        let ends = if self.outputs.is_none() { 2 } else { 0 };
        if self.is_baseline { ends } else { ends + self.quadrature.points.len() - self.done }
    }

    /// Runs both ends, or at most `most` points of the path. Gives the number of rows.
    pub(super) fn advance(&mut self, answerer: Answerer<'_>, most: usize) -> Result<usize> {
        if self.outputs.is_none() {
            self.outputs = Some(self.ends(answerer)?);
            return Ok(2);
        }
        let count = most.min(self.quadrature.points.len() - self.done);
        self.walk(answerer, count)?;
        self.done += count;
        if self.done == self.quadrature.points.len() && self.wants_more()? {
            self.options.steps = (2 * self.options.steps).min(MOST_ADAPTIVE_STEPS);
            self.quadrature = Quadrature::new(self.options.rule, self.options.steps as usize);
            (self.done, self.sums) = (0, Vec::new());
        }
        Ok(count)
    }

    fn ends(&self, answerer: Answerer<'_>) -> Result<[Vec<f64>; 2]> {
        let _guard = NoGrad::enter();
        let failed = torch_error("read the outputs");
        let end = self.start.f_add(&self.way).map_err(&failed)?;
        let rows = Tensor::f_cat(&[&end, &self.start], 0).map_err(&failed)?;
        let outputs = self.score.of(answerer.model, answerer.adapter, &rows)?;
        let outputs = [0, 1].map(|row| doubles(&outputs.f_get(row).map_err(&failed)?).map_err(&failed));
        let [text, baseline] = outputs;
        let outputs = [text?, baseline?];
        match outputs.iter().flatten().all(|output| output.is_finite()) {
            true => Ok(outputs),
            false => Err(non_finite("NON_FINITE_OUTPUT", "the output of the text or of its baseline")),
        }
    }

    fn walk(&mut self, answerer: Answerer<'_>, count: usize) -> Result<()> {
        let range = self.done..self.done + count;
        let failed = torch_error("differentiate the answer");
        let rows = self.rows(&self.quadrature.points[range.clone()]).map_err(&failed)?;
        let outputs = self.score.of(answerer.model, answerer.adapter, &rows)?;
        if !is_finite(&outputs).map_err(&failed)? {
            let place = format!("the output between steps {} and {}", range.start, range.end);
            return Err(non_finite("NON_FINITE_OUTPUT", &place));
        }
        let weights = &self.quadrature.weights[range];
        let shares = gradients(&outputs, &rows, weights).map_err(&failed)?;
        let _guard = NoGrad::enter();
        let sums = std::mem::take(&mut self.sums);
        self.sums = if sums.is_empty() {
            shares
        } else {
            let added = sums.iter().zip(&shares).map(|(sum, share)| sum.f_add(share));
            added.collect::<Result<_, _>>().map_err(failed)?
        };
        Ok(())
    }

    /// Points of the path, `[n,T,D]`, that record gradients.
    fn rows(&self, points: &[f64]) -> Result<Tensor, TchError> {
        let _guard = NoGrad::enter();
        let points: Vec<f32> = points.iter().map(|&point| point as f32).collect();
        let points = Tensor::f_from_slice(&points)?.f_to_device(self.way.device())?.f_to_kind(self.way.kind())?;
        let rows = self.start.f_add(&self.way.f_mul(&points.f_view([-1, 1, 1])?)?)?;
        rows.f_set_requires_grad(true)
    }

    fn wants_more(&self) -> Result<bool> {
        if !self.options.adaptive || self.options.steps >= MOST_ADAPTIVE_STEPS {
            return Ok(false);
        }
        Ok(self.attributions()?.iter().any(|attribution| !attribution.converged))
    }

    /// The result, when nothing remains.
    pub(super) fn attributions(&self) -> Result<Vec<TokenAttribution>> {
        let Some([text, baseline]) = &self.outputs else { return Err(Error::internal("a text was not explained yet")) };
        let places = match self.item.target {
            TokenTarget::EachToken => self.item.answer_places().into_iter().map(|place| Some(place as u32)).collect(),
            TokenTarget::Answer | TokenTarget::Class { .. } => vec![None],
        };
        let numbers = text.iter().zip(baseline).zip(places).enumerate();
        numbers.map(|(number, ((&output, &start), place))| self.attribution(number, output, start, place)).collect()
    }

    fn attribution(
        &self,
        number: usize,
        output: f64,
        baseline_output: f64,
        place: Option<u32>,
    ) -> Result<TokenAttribution> {
        let scores = match self.sums.get(number) {
            Some(sum) => self.scores(sum).map_err(torch_error("sum over the embedding"))?,
            None => vec![0.0; self.length()],
        };
        if !scores.iter().all(|score| score.is_finite()) {
            return Err(non_finite("NON_FINITE_GRADIENT", "the gradient"));
        }
        let fit = Completeness::of_sum(scores.iter().sum(), output - baseline_output);
        Ok(TokenAttribution {
            place,
            scores,
            output,
            baseline_output,
            delta: fit.delta,
            relative_delta: fit.relative_delta,
            converged: fit.converged(),
            steps: self.options.steps,
            baseline: self.baseline,
            is_baseline: self.is_baseline,
        })
    }

    fn scores(&self, sum: &Tensor) -> Result<Vec<f64>, TchError> {
        let _guard = NoGrad::enter();
        let way = self.way.f_get(0)?.f_to_kind(Kind::Double)?;
        doubles(&way.f_mul(&sum.f_to_kind(Kind::Double)?)?.f_sum_dim_intlist(-1, false, Kind::Double)?)
    }
}

fn embeddings(tokens: &[u32], model: &LanguageModel) -> Result<Tensor> {
    let tokens: Vec<i64> = tokens.iter().map(|&token| token.into()).collect();
    let tokens = Tensor::f_from_slice(&tokens).and_then(|tokens| tokens.f_unsqueeze(0));
    model.embed(&tokens.map_err(torch_error("read the tokens"))?)
}

/// `[1,T,D]` with `nothing` `[1,1,D]`, or zeros, where a token may move.
fn replaced(end: &Tensor, nothing: Option<&Tensor>, movable: &[bool]) -> Result<Tensor, TchError> {
    let movable = Tensor::f_from_slice(movable)?.f_to_device(end.device())?.f_view([1, -1, 1])?;
    match nothing {
        Some(nothing) => nothing.f_where_self(&movable, end),
        None => end.f_masked_fill(&movable, 0.0),
    }
}

/// For each explained number the gradients `[n,T,D]` of its rows, weighted and summed to `[T,D]` in f32.
fn gradients(outputs: &Tensor, rows: &Tensor, weights: &[f64]) -> Result<Vec<Tensor>, TchError> {
    let count = outputs.size()[1];
    let weights: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
    let weights = Tensor::f_from_slice(&weights)?.f_to_device(rows.device())?.f_view([-1, 1, 1])?;
    let number = |number: i64| {
        // Rows do not meet, so the gradient of their sum is each row's own.
        let sum = outputs.f_select(1, number)?.f_sum(Kind::Float)?;
        let gradients = Tensor::f_run_backward(&[sum], &[rows], number + 1 < count, false)?;
        gradients[0].f_to_kind(Kind::Float)?.f_mul(&weights)?.f_sum_dim_intlist(0, false, Kind::Float)
    };
    (0..count).map(number).collect()
}

fn doubles(values: &Tensor) -> Result<Vec<f64>, TchError> {
    Vec::try_from(values.f_to_kind(Kind::Double)?.f_to_device(tch::Device::Cpu)?.f_contiguous()?.f_view(-1)?)
}

fn non_finite(reason: &'static str, what: &str) -> Error {
    Error::failed_precondition(reason, format!("{what} is infinite or NaN; check the model's weights, or use F32"))
}
