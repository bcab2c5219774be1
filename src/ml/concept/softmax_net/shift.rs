//! Where a softmax layer is cheapest among those that say the same.

use nalgebra::DMatrix;

use crate::ml::concept::quadratic::Penalty;

/// What is added to a variable of every class alike changes no probability: the weights move to where the penalty is least, the
/// intercepts to a sum of zero. Other steps hardly move that way, where the penalty alone has a curvature.
pub(super) fn centre(point: &mut DMatrix<f64>, penalty: Penalty) {
    let intercept = point.nrows() - 1;
    for (variable, mut row) in point.row_iter_mut().enumerate() {
        let mut values: Vec<f64> = row.iter().copied().collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let shift = if variable == intercept { mean } else { cheapest_shift(&mut values, penalty) };
        row.add_scalar_mut(-shift);
    }
}

/// The s with the least Σ l1 |v − s| + ½ l2 (v − s)²: a value itself (then that weight becomes exactly zero), or between two
/// values where the slope is zero. The slope grows with s.
fn cheapest_shift(values: &mut [f64], penalty: Penalty) -> f64 {
    values.sort_by(f64::total_cmp);
    let (count, sum) = (values.len() as f64, values.iter().sum::<f64>());
    for (below, value) in values.iter().enumerate() {
        let slope = |below: f64| penalty.l1 * (2.0 * below - count) + penalty.l2 * (count * value - sum);
        if slope(below as f64) >= 0.0 && penalty.l2 > 0.0 {
            return (sum - penalty.l1 / penalty.l2 * (2.0 * below as f64 - count)) / count;
        }
        if slope(below as f64 + 1.0) >= 0.0 {
            return *value;
        }
    }
    sum / count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_other_shift_is_cheaper(
            values in prop::collection::vec(-2.0_f64..2.0, 2..9), l1 in 0.0_f64..1.0, l2 in 0.0_f64..1.0, other in -3.0_f64..3.0,
        ) {
            let (count, penalty) = (values.len(), Penalty { l1, l2 });
            // A row of weights and one of intercepts.
            let rows = DMatrix::from_fn(2, count, |_, column| values[column]);
            let cost = |point: &DMatrix<f64>| point.column_iter().map(|column| penalty.value(column.as_slice())).sum::<f64>();
            let mut centred = rows.clone();
            centre(&mut centred, penalty);
            prop_assert!(cost(&centred) <= cost(&rows.add_scalar(other)) + 1e-12);
            prop_assert!(centred.row(1).sum().abs() < 1e-12);
            let shift = centred[(0, 0)] - rows[(0, 0)];
            prop_assert!((0..count).all(|column| (centred[(0, column)] - rows[(0, column)] - shift).abs() < 1e-12));
        }
    }
}
