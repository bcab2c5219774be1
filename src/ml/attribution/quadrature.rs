//! Points and weights of a rule for the integral from 0 to 1.
//!
//! `GaussLegendre` is exact for polynomials of degree `2n - 1`: points `(1 + x_i) / 2` at the roots of the Legendre polynomial
//! `P_n`, weights `1 / ((1 - x_i^2) P_n'(x_i)^2)`. Two rules are here for comparison with other code and are biased:
//! Captum 0.8's trapezoid, whose weights sum to `(n-1)/n`, and the plain mean over `linspace(0, 1, n)`.

use std::f64::consts::PI;

use crate::domain::attribution::QuadratureRule;

/// Positions on the way from baseline to input (0 to 1) and their weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Quadrature {
    pub points: Vec<f64>,
    pub weights: Vec<f64>,
}

impl Quadrature {
    /// The rule with `count` points, at least one.
    pub fn new(rule: QuadratureRule, count: usize) -> Self {
        debug_assert!(count > 0, "validate() refuses 0 steps");
        let n = count as f64;
        let evenly = |shift: f64| (0..count).map(|i| (i as f64 + shift) / n).collect();
        let equal = || vec![1.0 / n; count];
        let (points, weights) = match rule {
            QuadratureRule::GaussLegendre => gauss_legendre(count),
            QuadratureRule::Middle => (evenly(0.5), equal()),
            QuadratureRule::Left => (evenly(0.0), equal()),
            QuadratureRule::Right => (evenly(1.0), equal()),
            QuadratureRule::Trapezoid => (linspace(count), half_at_the_ends(count, 1.0 / (n - 1.0))),
            QuadratureRule::CaptumTrapezoid => (linspace(count), half_at_the_ends(count, 1.0 / n)),
            QuadratureRule::LinspaceMean => (linspace(count), equal()),
        };
        Self { points, weights }
    }
}

/// Both ends included; a single point is 0, as in numpy and torch.
fn linspace(count: usize) -> Vec<f64> {
    let last = (count - 1).max(1) as f64;
    (0..count).map(|i| i as f64 / last).collect()
}

/// A trapezoid needs two points; of one alone the weight is 1.
fn half_at_the_ends(count: usize, inner: f64) -> Vec<f64> {
    if count == 1 {
        return vec![1.0];
    }
    let mut weights = vec![inner; count];
    weights[0] /= 2.0;
    weights[count - 1] /= 2.0;
    weights
}

fn gauss_legendre(count: usize) -> (Vec<f64>, Vec<f64>) {
    // Roots in descending order of x, so ascending positions come from the end.
    let nodes = (1..=count).rev().map(|k| {
        let (root, slope) = legendre_root(count, k);
        ((1.0 + root) / 2.0, 1.0 / ((1.0 - root * root) * slope * slope))
    });
    nodes.unzip()
}

/// The k-th largest root of `P_n` and the slope there, by Newton's method from `cos(pi (k - 1/4) / (n + 1/2))`.
fn legendre_root(count: usize, k: usize) -> (f64, f64) {
    const MOST_ITERATIONS: usize = 100;
    let mut root = (PI * (k as f64 - 0.25) / (count as f64 + 0.5)).cos();
    for _ in 0..MOST_ITERATIONS {
        let (value, slope) = legendre(count, root);
        let step = value / slope;
        root -= step;
        if step.abs() < 1e-15 {
            break;
        }
    }
    (root, legendre(count, root).1)
}

/// `P_n(x)` and `P_n'(x)` by the three-term recurrence.
fn legendre(count: usize, x: f64) -> (f64, f64) {
    let (mut previous, mut value) = (1.0, x);
    for degree in 2..=count {
        let degree = degree as f64;
        let next = ((2.0 * degree - 1.0) * x * value - (degree - 1.0) * previous) / degree;
        (previous, value) = (value, next);
    }
    (value, count as f64 * (x * value - previous) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [QuadratureRule; 7] = [
        QuadratureRule::GaussLegendre,
        QuadratureRule::Middle,
        QuadratureRule::Left,
        QuadratureRule::Right,
        QuadratureRule::Trapezoid,
        QuadratureRule::CaptumTrapezoid,
        QuadratureRule::LinspaceMean,
    ];

    /// Integrated gradients of `F(x) = x1^2 x2 + sin x3` at (1, 2, 3) from 0, and their sum minus `F(x) - F(0)`.
    fn analytic(rule: QuadratureRule, count: usize) -> ([f64; 3], f64) {
        let Quadrature { points, weights } = Quadrature::new(rule, count);
        let mut attribution = [0.0; 3];
        for (t, w) in points.into_iter().zip(weights) {
            let gradient = [2.0 * t * 2.0 * t, t * t, (3.0 * t).cos()];
            for (sum, (slope, x)) in attribution.iter_mut().zip(gradient.into_iter().zip([1.0, 2.0, 3.0])) {
                *sum += w * slope * x;
            }
        }
        (attribution, attribution.iter().sum::<f64>() - (2.0 + 3.0_f64.sin()))
    }

    /// The vectors of the specification are given to nine digits.
    #[test]
    fn every_rule_gives_the_golden_vector() {
        let golden = [
            (QuadratureRule::GaussLegendre, [1.333333333, 0.666666667, 0.141120008], 1e-15),
            (QuadratureRule::Middle, [1.333200000, 0.666600000, 0.141141178], -1.788e-4),
            (QuadratureRule::Left, [1.2936, 0.6468, 0.200777444], 5.744e-5),
            (QuadratureRule::Right, [1.3736, 0.6868, 0.081377895], 6.579e-4),
            (QuadratureRule::CaptumTrapezoid, [1.306938776, 0.653469388, 0.138254405], -4.246e-2),
            (QuadratureRule::LinspaceMean, [1.346938776, 0.673469388, 0.138554630], 1.784e-2),
        ];
        for (rule, expected, delta) in golden {
            let (found, found_delta) = analytic(rule, 50);
            for (found, expected) in found.into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-9, "{rule:?}: {found} is not {expected}");
            }
            assert!((found_delta - delta).abs() <= 5e-4 * delta.abs() + 1e-14, "{rule:?}: delta {found_delta}");
        }
        assert!((analytic(QuadratureRule::CaptumTrapezoid, 32).1 + 6.601e-2).abs() < 5e-6);
        assert!((analytic(QuadratureRule::LinspaceMean, 32).1 - 2.821e-2).abs() < 5e-6);
    }

    #[test]
    fn the_corrected_trapezoid_converges_quadratically() {
        let [coarse, fine] = [26, 51].map(|count| analytic(QuadratureRule::Trapezoid, count).1);
        assert!((coarse / fine - 4.0).abs() < 0.05, "{coarse} {fine}");
    }

    #[test]
    fn gauss_legendre_is_exact_for_polynomials_up_to_its_degree() {
        for count in [1, 2, 3, 7, 50, 512, 1024] {
            let Quadrature { points, weights } = Quadrature::new(QuadratureRule::GaussLegendre, count);
            assert!(points.windows(2).all(|pair| pair[0] < pair[1]) && weights.iter().all(|weight| *weight > 0.0));
            for degree in [0, 1, 2 * count as i32 - 1] {
                let integral: f64 =
                    points.iter().zip(&weights).map(|(point, weight)| weight * point.powi(degree)).sum();
                let exact = 1.0 / f64::from(degree + 1);
                assert!((integral - exact).abs() < 1e-13, "{count} points, degree {degree}: {integral}");
            }
        }
    }

    #[test]
    fn one_step_is_the_midpoint_for_gauss_legendre_and_an_end_for_the_others() {
        let first = |rule| Quadrature::new(rule, 1).points[0];
        assert!((first(QuadratureRule::GaussLegendre) - 0.5).abs() < 1e-15);
        assert_eq!(first(QuadratureRule::Middle), 0.5);
        assert_eq!(first(QuadratureRule::Right), 1.0);
        for rule in RULES {
            assert!(Quadrature::new(rule, 1).weights[0].is_finite());
        }
    }

    #[test]
    fn weights_sum_to_one_but_for_captums_trapezoid() {
        for rule in RULES {
            let sum: f64 = Quadrature::new(rule, 40).weights.iter().sum();
            let expected = if rule == QuadratureRule::CaptumTrapezoid { 39.0 / 40.0 } else { 1.0 };
            assert!((sum - expected).abs() < 1e-13, "{rule:?}: {sum}");
        }
    }
}
