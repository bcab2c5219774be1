//! Summaries of signed distances to a hyperplane.

use crate::domain::concept::MarginStats;

/// Population standard deviation, quantiles by linear interpolation, as numpy's. Of nothing: zeros.
pub(super) fn stats(distances: &[f64]) -> MarginStats {
    if distances.is_empty() {
        return MarginStats::default();
    }
    let count = distances.len() as f64;
    let mean = distances.iter().sum::<f64>() / count;
    let variance = distances.iter().map(|distance| (distance - mean).powi(2)).sum::<f64>() / count;
    let mut sorted = distances.to_vec();
    sorted.sort_by(f64::total_cmp);
    MarginStats {
        count: distances.len() as u32,
        mean,
        std: variance.sqrt(),
        q10: quantile(&sorted, 0.1),
        q90: quantile(&sorted, 0.9),
        min: sorted[0],
        max: sorted[sorted.len() - 1],
    }
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_neighbours() {
        let stats = stats(&[4.0, 0.0, 3.0, 1.0, 2.0]);
        assert_eq!((stats.count, stats.mean, stats.min, stats.max), (5, 2.0, 0.0, 4.0));
        assert!((stats.q10 - 0.4).abs() < 1e-15 && (stats.q90 - 3.6).abs() < 1e-15);
        assert!((stats.std - 2.0_f64.sqrt()).abs() < 1e-15);
    }
}
