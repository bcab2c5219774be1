//! How likely tokens are after states that were read.

use tch::{Device, Kind, TchError, Tensor};

use super::limits::LOGITS;
use crate::domain::{Error, Result};
use crate::ml::language::Language;
use crate::ml::text::metrics::TokenDistribution;
use crate::ml::torch::torch_error;

/// Which token is asked for after which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) row: usize,
    /// Of the columns that were just read.
    pub(super) column: usize,
    pub(super) token: u32,
}

/// A token in its distribution, and the one that the model finds likeliest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Foretold {
    pub(super) distribution: TokenDistribution,
    pub(super) likeliest: u32,
}

/// The log-probability of each token; hidden states `[N,C,D]`.
pub(super) fn log_probabilities(language: &Language, hidden: &Tensor, asks: &[Ask]) -> Result<Vec<f64>> {
    let chosen = |logits: &Tensor, rows: &[i64], tokens: &[i64]| -> Result<Vec<f64>, TchError> {
        let all = logits.f_to_kind(Kind::Float)?.f_log_softmax(-1, Kind::Float)?;
        doubles(&picked(&all, rows, tokens)?)
    };
    through(language, hidden, asks, chosen)
}

/// Each token in its distribution, in f64.
///
/// # Errors
/// `NON_FINITE_LOGITS`.
pub(super) fn foretold(language: &Language, hidden: &Tensor, asks: &[Ask]) -> Result<Vec<Foretold>> {
    let found = through(language, hidden, asks, distributions)?;
    match found.iter().all(|one| one.distribution.log_probability.is_finite()) {
        true => Ok(found),
        false => Err(Error::failed_precondition(
            "NON_FINITE_LOGITS",
            "the model answers with infinite values or NaN; check its weights, or use F32",
        )),
    }
}

/// Makes logits of the states that are asked about, some at a time. Equal states of asks that follow each other are looked at once.
fn through<T>(
    language: &Language,
    hidden: &Tensor,
    asks: &[Ask],
    read: impl Fn(&Tensor, &[i64], &[i64]) -> Result<Vec<T>, TchError>,
) -> Result<Vec<T>> {
    let failed = torch_error("read the logits");
    let (adapter, width) = (language.adapter().map(AsRef::as_ref), hidden.size()[1]);
    let states = hidden.f_flatten(0, 1).map_err(&failed)?;
    let most = (LOGITS / language.model().config().vocabulary_size()).max(1);
    let mut answers = Vec::with_capacity(asks.len());
    let mut rest = asks;
    while !rest.is_empty() {
        let (places, rows) = distinct(rest, width, most);
        let (now, later) = rest.split_at(rows.len());
        let chosen = Tensor::f_from_slice(&places).and_then(|places| places.f_to_device(states.device()));
        let chosen = chosen.and_then(|places| states.f_index_select(0, &places)).map_err(&failed)?;
        let logits = language.model().head(&chosen, adapter)?;
        let tokens: Vec<i64> = now.iter().map(|ask| i64::from(ask.token)).collect();
        answers.extend(read(&logits, &rows, &tokens).map_err(&failed)?);
        rest = later;
    }
    Ok(answers)
}

/// At most `most` states, each once where its asks follow each other; and for as many asks as these serve, which of them is theirs.
fn distinct(asks: &[Ask], width: i64, most: usize) -> (Vec<i64>, Vec<i64>) {
    let (mut places, mut rows) = (Vec::new(), Vec::with_capacity(asks.len()));
    for ask in asks {
        let place = ask.row as i64 * width + ask.column as i64;
        if places.last() != Some(&place) {
            if places.len() == most {
                break;
            }
            places.push(place);
        }
        rows.push(places.len() as i64 - 1);
    }
    (places, rows)
}

/// Of logits `[M,V]`, for each ask its row of them and its token.
fn distributions(logits: &Tensor, rows: &[i64], tokens: &[i64]) -> Result<Vec<Foretold>, TchError> {
    let likeliest = Vec::<i64>::try_from(logits.f_argmax(-1, false)?.f_to_device(Device::Cpu)?)?;
    let logs = logits.f_to_kind(Kind::Double)?.f_log_softmax(-1, Kind::Double)?;
    let shares = logs.f_exp()?;
    let own = doubles(&picked(&logs, rows, tokens)?)?;
    // p·log p is 0 at p = 0.
    let logs = logs.f_clamp_min(f64::MIN)?;
    let products = shares.f_mul(&logs)?;
    let means = doubles(&products.f_sum_dim_intlist(-1, false, Kind::Double)?)?;
    let squares = doubles(&products.f_mul(&logs)?.f_sum_dim_intlist(-1, false, Kind::Double)?)?;
    let one = |(&row, log_probability): (&i64, f64)| {
        let row = row as usize;
        let mean = means[row];
        let distribution = TokenDistribution { log_probability, mean, variance: squares[row] - mean * mean };
        Foretold { distribution, likeliest: likeliest[row] as u32 }
    };
    Ok(rows.iter().zip(own).map(one).collect())
}

/// Values `[A]` of `[M,V]` at rows and tokens.
fn picked(values: &Tensor, rows: &[i64], tokens: &[i64]) -> Result<Tensor, TchError> {
    let width = values.size()[1];
    let places: Vec<i64> = rows.iter().zip(tokens).map(|(row, token)| row * width + token).collect();
    values.f_view(-1)?.f_index_select(0, &Tensor::f_from_slice(&places)?.f_to_device(values.device())?)
}

fn doubles(values: &Tensor) -> Result<Vec<f64>, TchError> {
    Vec::try_from(values.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?.f_contiguous()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_definition_even_where_a_token_is_impossible() {
        let rows = [[1.0_f32, -2.0, 0.5, 3.0], [0.0, f32::NEG_INFINITY, 0.0, 0.0]];
        let logits = Tensor::from_slice(rows.as_flattened()).view([2, 4]);
        let found = distributions(&logits, &[0, 1, 1], &[2, 0, 3]).unwrap();
        for (one, (row, token)) in found.iter().zip([(0, 2), (1, 0), (1, 3)]) {
            let logits = rows[row].map(f64::from);
            let normaliser = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
            let logs = logits.map(|logit| logit - normaliser);
            let expected = TokenDistribution::of(&logs, token).unwrap();
            let TokenDistribution { log_probability, mean, variance } = one.distribution;
            assert!((log_probability - expected.log_probability).abs() < 1e-12);
            assert!((mean - expected.mean).abs() < 1e-12 && (variance - expected.variance).abs() < 1e-12);
        }
        assert_eq!(found.iter().map(|one| one.likeliest).collect::<Vec<_>>(), [3, 0, 0]);
    }

    #[test]
    fn states_are_looked_at_once_and_some_at_a_time() {
        let ask = |row, column| Ask { row, column, token: 0 };
        let asks = [ask(0, 1), ask(0, 1), ask(0, 2), ask(1, 0), ask(1, 0), ask(1, 3)];
        assert_eq!(distinct(&asks, 4, 9), (vec![1, 2, 4, 7], vec![0, 0, 1, 2, 2, 3]));
        assert_eq!(distinct(&asks, 4, 2), (vec![1, 2], vec![0, 0, 1]));
    }
}
