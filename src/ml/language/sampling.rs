//! Which token comes next: the likeliest, or one drawn from the likeliest (temperature; the best k, Fan et al. 2018; the nucleus,
//! Holtzman et al. 2020). In f64; filters in the order of transformers. A draw depends on (seed, row, place) alone.

use rand::Rng;

use crate::domain::{Error, Result};
use crate::ml::random::{Purpose, nested_stream};

/// How tokens are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Above 0; below 1 sharpens.
    pub temperature: f64,
    /// Only the so many likeliest; 0: all.
    pub top_k: usize,
    /// Only the likeliest that together have this probability; 1: all.
    pub top_p: f64,
    pub seed: u64,
}

impl Sampling {
    pub fn check(&self) -> Result<()> {
        let Self { temperature, top_p, .. } = *self;
        if !(temperature.is_finite() && temperature > 0.0) {
            let description = format!("is {temperature}; give a number above 0, or generate greedily");
            return Err(Error::invalid("INVALID_SAMPLING", "temperature", description));
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return Err(Error::invalid(
                "INVALID_SAMPLING",
                "top_p",
                format!("is {top_p}; give a number above 0, at most 1"),
            ));
        }
        Ok(())
    }

    /// Draws a token for place `place` of row `row`.
    pub(super) fn draw(&self, logits: &[f32], row: u64, place: u64) -> u32 {
        let kept = self.kept(logits);
        let total: f64 = kept.iter().map(|(_, weight)| weight).sum();
        let mut rest = nested_stream(self.seed, Purpose::TokenSampling, row, place).random::<f64>() * total;
        for &(token, weight) in &kept {
            rest -= weight;
            if rest < 0.0 {
                return token as u32;
            }
        }
        kept.last().map_or(0, |&(token, _)| token as u32)
    }

    /// Tokens that may be drawn with their weights, likeliest first.
    fn kept(&self, logits: &[f32]) -> Vec<(usize, f64)> {
        let mut order: Vec<(usize, f64)> =
            logits.iter().map(|&logit| f64::from(logit) / self.temperature).enumerate().collect();
        order.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
        if let Some(&(_, last)) = order.get(self.top_k.wrapping_sub(1)) {
            // Equals of the last stay, as in transformers.
            order.retain(|&(_, logit)| logit >= last);
        }
        let largest = order.first().map_or(0.0, |first| first.1);
        order.iter_mut().for_each(|entry| entry.1 = (entry.1 - largest).exp());
        let total: f64 = order.iter().map(|(_, weight)| weight).sum();
        let mut before = 0.0;
        let inside = |&(_, weight): &(usize, f64)| {
            let is_inside = before < self.top_p * total;
            before += weight;
            is_inside
        };
        order.into_iter().take_while(inside).collect()
    }
}

/// The token of the largest logit; of equal ones the first.
pub(super) fn likeliest(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (token, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = token;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Sampling = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 7 };
    /// Probabilities .4, .3, .2, .1.
    const LOGITS: [f32; 4] = [-1.203_972_8, -0.916_290_7, -std::f32::consts::LN_10, -1.609_438];

    fn tokens(sampling: Sampling) -> Vec<usize> {
        sampling.kept(&LOGITS).into_iter().map(|(token, _)| token).collect()
    }

    #[test]
    fn filters_keep_what_those_of_transformers_keep() {
        assert_eq!(tokens(PLAIN), [1, 0, 3, 2]);
        assert_eq!(tokens(Sampling { top_k: 2, ..PLAIN }), [1, 0]);
        assert_eq!(tokens(Sampling { top_k: 9, ..PLAIN }), [1, 0, 3, 2]);
        assert_eq!(tokens(Sampling { top_p: 0.39, ..PLAIN }), [1]);
        assert_eq!(tokens(Sampling { top_p: 0.75, ..PLAIN }), [1, 0, 3]);
        // The nucleus is taken of what the others leave: .4/.7 of two tokens.
        assert_eq!(tokens(Sampling { top_k: 2, top_p: 0.5, ..PLAIN }), [1]);
        let ties = Sampling { top_k: 1, ..PLAIN }.kept(&[1.0, 2.0, 2.0]);
        assert_eq!(ties.len(), 2);
    }

    #[test]
    fn draws_have_the_probabilities_of_the_softmax() {
        let mut counts = [0_u32; 4];
        for place in 0..20_000 {
            counts[PLAIN.draw(&LOGITS, 0, place) as usize] += 1;
        }
        for (count, probability) in counts.into_iter().zip([0.3_f64, 0.4, 0.1, 0.2]) {
            let error = (20_000.0 * probability * (1.0 - probability)).sqrt();
            assert!((f64::from(count) - 20_000.0 * probability).abs() < 4.0 * error, "{counts:?}");
        }
    }

    #[test]
    fn a_draw_depends_on_its_place_and_a_cold_one_is_the_likeliest() {
        let draws = |row| (0..50).map(|place| PLAIN.draw(&LOGITS, row, place)).collect::<Vec<_>>();
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        let cold = Sampling { temperature: 1e-3, ..PLAIN };
        assert!((0..50).all(|place| cold.draw(&LOGITS, 0, place) == likeliest(&LOGITS)));
    }

    #[test]
    fn impossible_settings_are_refused() {
        let refused = |sampling: Sampling| sampling.check().map_err(|error| error.reason).err();
        assert_eq!(refused(PLAIN), None);
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(refused(Sampling { temperature, ..PLAIN }), Some("INVALID_SAMPLING"));
        }
        for top_p in [0.0, 1.5, f64::NAN] {
            assert_eq!(refused(Sampling { top_p, ..PLAIN }), Some("INVALID_SAMPLING"));
        }
    }
}
