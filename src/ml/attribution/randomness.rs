//! Random numbers of attributions: counter-based streams by (seed, item, draw), or what a test hands in.

use std::f64::consts::TAU;
use std::fmt::Debug;

use rand::Rng;

use crate::ml::random::{Purpose, nested_stream};

/// Which numbers are meant; equal draws give equal numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    pub purpose: Purpose,
    /// The stream of the item.
    pub item: u64,
    pub number: u64,
}

/// Where random numbers come from.
pub trait Randomness: Debug {
    /// Uniform in [0, 1).
    fn uniform(&self, draw: Draw, count: usize) -> Vec<f64>;
    /// Standard normal.
    fn normal(&self, draw: Draw, count: usize) -> Vec<f64>;
}

/// The streams of `ml::random`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams {
    pub seed: u64,
}

impl Randomness for Streams {
    fn uniform(&self, draw: Draw, count: usize) -> Vec<f64> {
        let mut random = nested_stream(self.seed, draw.purpose, draw.item, draw.number);
        (0..count).map(|_| random.random()).collect()
    }

    /// Box and Muller 1958: two from each pair of uniform numbers.
    fn normal(&self, draw: Draw, count: usize) -> Vec<f64> {
        let uniform = self.uniform(draw, count.next_multiple_of(2));
        let pairs = uniform.chunks_exact(2).flat_map(|pair| {
            let radius = (-2.0 * (1.0 - pair[0]).ln()).sqrt();
            let (sine, cosine) = (TAU * pair[1]).sin_cos();
            [radius * cosine, radius * sine]
        });
        pairs.take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(item: u64, number: u64) -> Draw {
        Draw { purpose: Purpose::AttributionNoise, item, number }
    }

    #[test]
    fn draws_are_repeatable_and_differ_from_each_other() {
        let streams = Streams { seed: 1 };
        assert_eq!(streams.normal(draw(2, 3), 5), streams.normal(draw(2, 3), 5));
        assert_eq!(streams.normal(draw(2, 3), 5)[..3], streams.normal(draw(2, 3), 3)[..]);
        for other in [draw(2, 4), draw(3, 3), draw(3, 2)] {
            assert_ne!(streams.normal(draw(2, 3), 5), streams.normal(other, 5));
        }
        assert_ne!(streams.uniform(draw(2, 3), 5), Streams { seed: 2 }.uniform(draw(2, 3), 5));
    }

    /// Mean and variance within four standard errors, and the share within one deviation.
    #[test]
    fn normal_numbers_are_normal() {
        let count = 100_000;
        let values = Streams { seed: 7 }.normal(draw(0, 0), count);
        let mean = values.iter().sum::<f64>() / count as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count as f64;
        let within = values.iter().filter(|value| value.abs() < 1.0).count() as f64 / count as f64;
        assert!(mean.abs() < 4.0 / (count as f64).sqrt());
        assert!((variance - 1.0).abs() < 4.0 * (2.0 / count as f64).sqrt());
        assert!((within - 0.6827).abs() < 4.0 * (0.6827 * 0.3173 / count as f64).sqrt());
    }
}
