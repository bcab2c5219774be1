//! Student's t-test of two samples, two-sided: Welch's (1947) by default, or with pooled variance. Equal to `scipy.stats.ttest_ind`.

use statrs::function::beta::beta_reg;

struct Moments {
    count: f64,
    mean: f64,
    /// Unbiased.
    variance: f64,
}

impl Moments {
    fn of(sample: &[f64]) -> Self {
        let count = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / count;
        let squares: f64 = sample.iter().map(|value| (value - mean).powi(2)).sum();
        // Equal values have no variance, whatever their mean was rounded to.
        let constant = sample.iter().all(|value| *value == sample[0]);
        Self { count, mean, variance: if constant { 0.0 } else { squares / (count - 1.0) } }
    }
}

/// The probability of so large a difference of means, or `None` where it is undefined: fewer than two values on a side, or no
/// variance on either.
pub(crate) fn p_value(left: &[f64], right: &[f64], pooled: bool) -> Option<f64> {
    if left.len() < 2 || right.len() < 2 {
        return None;
    }
    let (left, right) = (Moments::of(left), Moments::of(right));
    let (error, freedom) = if pooled { pooled_error(&left, &right) } else { welch_error(&left, &right) };
    (error > 0.0).then(|| two_sided((left.mean - right.mean) / error, freedom))
}

/// The standard error of the difference with one variance for both sides, and its degrees of freedom.
fn pooled_error(left: &Moments, right: &Moments) -> (f64, f64) {
    let freedom = left.count + right.count - 2.0;
    let squares = (left.count - 1.0) * left.variance + (right.count - 1.0) * right.variance;
    let error = (squares / freedom * (1.0 / left.count + 1.0 / right.count)).sqrt();
    (error, freedom)
}

/// The standard error with a variance for each side, and the degrees of freedom of Welch and Satterthwaite.
fn welch_error(left: &Moments, right: &Moments) -> (f64, f64) {
    let (first, second) = (left.variance / left.count, right.variance / right.count);
    let spread = first * first / (left.count - 1.0) + second * second / (right.count - 1.0);
    ((first + second).sqrt(), (first + second).powi(2) / spread)
}

/// P(|T| ≥ |t|) = I_{ν/(ν+t²)}(ν/2, ½), accurate far into the tail where 1 − F(t) would cancel.
fn two_sided(t: f64, freedom: f64) -> f64 {
    beta_reg(freedom / 2.0, 0.5, freedom / (freedom + t * t))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Golden {
        left: Vec<f64>,
        right: Vec<f64>,
        welch: f64,
        pooled: f64,
    }

    #[test]
    fn p_values_are_scipys() {
        let text = include_str!("../../../tests/golden/concept_stats/student.json");
        let golden: Vec<Golden> = serde_json::from_str(text).unwrap();
        for Golden { left, right, welch, pooled } in &golden {
            for (expected, pool) in [(welch, false), (pooled, true)] {
                let found = p_value(left, right, pool).unwrap();
                assert!((found / expected - 1.0).abs() < 1e-6, "{found} against {expected}");
            }
        }
    }

    #[test]
    fn without_variance_on_both_sides_p_is_undefined() {
        assert_eq!(p_value(&[1.0; 5], &[0.1; 7], false), None);
        assert_eq!(p_value(&[0.1; 7], &[0.1; 7], true), None);
        assert_eq!(p_value(&[1.0], &[0.0, 1.0], false), None);
    }

    #[test]
    fn equal_means_have_a_p_of_one() {
        let p = p_value(&[0.0, 1.0], &[1.0, 0.0], false).unwrap();
        assert!((p - 1.0).abs() < 1e-12);
    }
}
