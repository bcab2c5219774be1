//! Wilson's score interval (Wilson 1927) of a binomial share at 95 %.
//!
//! (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n)

use crate::domain::evaluation::Accuracy;

/// The 97.5 % point of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// The share of `correct` in `total`. With `total` zero nothing is known: the value is 0 and the interval [0, 1].
pub fn accuracy(correct: u64, total: u64) -> Accuracy {
    debug_assert!(correct <= total, "{correct} of {total}");
    if total == 0 {
        return Accuracy { correct, total, value: 0.0, low: 0.0, high: 1.0 };
    }
    let count = total as f64;
    let value = correct as f64 / count;
    let scale = 1.0 + Z * Z / count;
    let centre = (value + Z * Z / (2.0 * count)) / scale;
    let half_width = Z * (value * (1.0 - value) / count + Z * Z / (4.0 * count * count)).sqrt() / scale;
    // At the ends the interval touches 0 or 1 exactly; rounding must not push it past the share.
    let low = if correct == 0 { 0.0 } else { centre - half_width };
    let high = if correct == total { 1.0 } else { centre + half_width };
    Accuracy { correct, total, value, low, high }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_seen_leaves_everything_open() {
        let nothing = accuracy(0, 0);
        assert_eq!((nothing.value, nothing.low, nothing.high), (0.0, 0.0, 1.0));
    }

    proptest! {
        #[test]
        fn interval_contains_the_share(total in 1_u64..1_000_000, fraction in 0.0..=1.0_f64) {
            let correct = ((total as f64 * fraction) as u64).min(total);
            let share = accuracy(correct, total);
            prop_assert!(0.0 <= share.low && share.low <= share.value);
            prop_assert!(share.value <= share.high && share.high <= 1.0);
        }
    }
}
