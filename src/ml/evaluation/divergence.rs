//! Divergences between two distributions over classes, in nats.

/// KL(p ‖ q) = Σ p log(p / q). Classes with p = 0 add nothing; infinite where q = 0 and p > 0.
pub fn kl_divergence(p: &[f64], q: &[f64]) -> f64 {
    debug_assert_eq!(p.len(), q.len(), "distributions over the same classes");
    let terms = p.iter().zip(q).filter(|(p, _)| **p > 0.0);
    terms.map(|(p, q)| p * (p / q).ln()).sum()
}

/// Jensen-Shannon divergence (Lin 1991): ½ KL(p ‖ m) + ½ KL(q ‖ m), m = ½ (p + q). Between 0 and log 2.
pub fn js_divergence(p: &[f64], q: &[f64]) -> f64 {
    let middle: Vec<f64> = p.iter().zip(q).map(|(p, q)| (p + q) / 2.0).collect();
    (0.5 * (kl_divergence(p, &middle) + kl_divergence(q, &middle))).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn js_runs_from_zero_to_log_two() {
        assert_eq!(js_divergence(&[0.3, 0.7], &[0.3, 0.7]), 0.0);
        assert!((js_divergence(&[1.0, 0.0], &[0.0, 1.0]) - std::f64::consts::LN_2).abs() < 1e-15);
    }

    #[test]
    fn kl_is_infinite_where_the_other_gives_no_chance() {
        assert_eq!(kl_divergence(&[0.5, 0.5], &[1.0, 0.0]), f64::INFINITY);
    }
}
