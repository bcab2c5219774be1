//! Samples as tensors, padded on the right to the longest.

use tch::{Device, TchError, Tensor};

use super::sample::{Target, TextSample};
use crate::domain::Result;
use crate::ml::torch::torch_error;

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) size: usize,
    /// `[N,T]`.
    pub(super) tokens: Tensor,
    /// `[N,T]`, 1 where a token is.
    pub(super) mask: Tensor,
    /// What is foretold.
    pub(super) scored: Scored,
    /// Rows whose hidden states are steered: labelled tokens, or all of a text that has a class.
    pub(super) steered: Rows,
}

#[derive(Debug)]
pub(super) enum Scored {
    /// Rows before the labelled tokens, and those tokens `[M]`.
    Tokens { rows: Rows, targets: Tensor },
    /// Classes `[N]`.
    Classes(Tensor),
}

/// Places in `[N*T]`, the sample of each, and how many each sample has.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) places: Tensor,
    pub(super) owners: Tensor,
    /// f32 `[N]`.
    pub(super) lengths: Tensor,
}

impl Rows {
    fn new(places: &[Vec<i64>], device: Device) -> std::result::Result<Self, TchError> {
        let owners: Vec<i64> =
            places.iter().enumerate().flat_map(|(row, places)| vec![row as i64; places.len()]).collect();
        let lengths: Vec<f32> = places.iter().map(|places| places.len() as f32).collect();
        Ok(Self {
            places: Tensor::f_from_slice(&places.concat())?.f_to_device(device)?,
            owners: Tensor::f_from_slice(&owners)?.f_to_device(device)?,
            lengths: Tensor::f_from_slice(&lengths)?.f_to_device(device)?,
        })
    }

    /// Those rows of `[N,T,D]`.
    pub(super) fn of(&self, hidden: &Tensor) -> std::result::Result<Tensor, TchError> {
        hidden.f_flatten(0, 1)?.f_index_select(0, &self.places)
    }
}

impl Batch {
    pub(super) fn new(samples: &[&TextSample], device: Device) -> Result<Self> {
        Self::make(samples, device).map_err(torch_error("make a batch"))
    }

    fn make(samples: &[&TextSample], device: Device) -> std::result::Result<Self, TchError> {
        let length = samples.iter().map(|sample| sample.tokens.len()).max().unwrap_or_default();
        let padded = |value: &dyn Fn(u32) -> i64| {
            let mut values = vec![0_i64; samples.len() * length];
            for (row, sample) in values.chunks_mut(length.max(1)).zip(samples) {
                row.iter_mut().zip(&sample.tokens).for_each(|(place, &token)| *place = value(token));
            }
            Tensor::f_from_slice(&values)?.f_view([samples.len() as i64, length as i64])?.f_to_device(device)
        };
        let (scored, steered) = scored(samples, length, device)?;
        Ok(Self { size: samples.len(), tokens: padded(&i64::from)?, mask: padded(&|_| 1)?, scored, steered })
    }
}

fn scored(samples: &[&TextSample], length: usize, device: Device) -> std::result::Result<(Scored, Rows), TchError> {
    let classes: Vec<i64> = samples.iter().filter_map(|sample| class(sample)).collect();
    let places = |of: &dyn Fn(&TextSample) -> Vec<usize>, back: usize| -> Vec<Vec<i64>> {
        let row = |(row, sample): (usize, &&TextSample)| {
            of(sample).iter().map(|&at| (row * length + at - back) as i64).collect()
        };
        samples.iter().enumerate().map(row).collect()
    };
    if !classes.is_empty() {
        let all = places(&|sample| (0..sample.tokens.len()).collect(), 0);
        return Ok((Scored::Classes(Tensor::f_from_slice(&classes)?.f_to_device(device)?), Rows::new(&all, device)?));
    }
    let labelled = |sample: &TextSample| sample.labelled().collect();
    let targets: Vec<i64> =
        samples.iter().flat_map(|sample| sample.labelled().map(|place| i64::from(sample.tokens[place]))).collect();
    let targets = Tensor::f_from_slice(&targets)?.f_to_device(device)?;
    let rows = Rows::new(&places(&labelled, 1), device)?;
    Ok((Scored::Tokens { rows, targets }, Rows::new(&places(&labelled, 0), device)?))
}

fn class(sample: &TextSample) -> Option<i64> {
    match sample.target {
        Target::Class(class) => Some(i64::from(class)),
        Target::Labelled(_) => None,
    }
}
