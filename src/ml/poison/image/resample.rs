//! Resizing of decoded pixels: bilinear with antialiasing (a triangle as wide as a source step when reducing), as in PIL and
//! `torchvision.transforms.Resize`. Sums are in f64 and bytes are rounded once, at the end, where PIL rounds after each direction.

/// A pixel value of either kind.
pub(super) trait Value: Copy + Into<f64> {
    fn from_f64(value: f64) -> Self;
}

impl Value for u8 {
    fn from_f64(value: f64) -> Self {
        value.round().clamp(0.0, 255.0) as Self
    }
}

impl Value for f32 {
    fn from_f64(value: f64) -> Self {
        value as Self
    }
}

/// The source steps that make up one output step, from `start` on; the weights sum to 1.
#[derive(Debug)]
struct Window {
    start: usize,
    weights: Vec<f64>,
}

/// `pixels` of `from` = (height, width), with `channels` values each, as `to`.
pub(super) fn resize<T: Value>(pixels: &[T], from: (usize, usize), to: (usize, usize), channels: usize) -> Vec<T> {
    let row_length = from.1 * channels;
    let mut resized = Vec::with_capacity(to.0 * to.1 * channels);
    let columns = windows(from.1, to.1);
    for vertical in windows(from.0, to.0) {
        let row: Vec<f64> = (0..row_length).map(|offset| weigh(&vertical, pixels, offset, row_length)).collect();
        for horizontal in &columns {
            resized.extend((0..channels).map(|channel| T::from_f64(weigh(horizontal, &row, channel, channels))));
        }
    }
    resized
}

/// The weighted sum of the values `stride` apart that lie `offset` into each step.
fn weigh<T: Copy + Into<f64>>(window: &Window, values: &[T], offset: usize, stride: usize) -> f64 {
    let steps = window.weights.iter().zip(window.start..);
    steps.map(|(weight, step)| weight * values[step * stride + offset].into()).sum()
}

fn windows(inputs: usize, outputs: usize) -> Vec<Window> {
    let scale = inputs as f64 / outputs as f64;
    let reach = scale.max(1.0);
    let window = |output: usize| {
        let centre = (output as f64 + 0.5) * scale;
        let start = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(inputs);
        let raw = (start..end).map(|input| (1.0 - ((input as f64 + 0.5 - centre) / reach).abs()).max(0.0));
        let total: f64 = raw.clone().sum();
        Window { start, weights: raw.map(|weight| weight / total).collect() }
    };
    (0..outputs).map(window).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halving_averages_with_a_triangle() {
        // Output 0 has its centre at 1.0 and reaches 2: weights (.75, .75, .25) / 1.75 of inputs 0, 1 and 2.
        let resized = resize(&[0.0_f32, 1.0, 0.0, 0.0], (1, 4), (1, 2), 1);
        assert!((f64::from(resized[0]) - 0.75 / 1.75).abs() < 1e-7, "{resized:?}");
        assert!((f64::from(resized[1]) - 0.25 / 1.75).abs() < 1e-7, "{resized:?}");
    }

    #[test]
    fn channels_do_not_mix() {
        assert_eq!(resize(&[10_u8, 200, 30, 10, 200, 30], (2, 1), (1, 1), 3), [10, 200, 30]);
    }

    proptest! {
        #[test]
        fn one_colour_stays_that_colour(
            value: u8, from in (1_usize..12, 1_usize..12), to in (1_usize..12, 1_usize..12), channels in 1_usize..4,
        ) {
            let resized = resize(&vec![value; from.0 * from.1 * channels], from, to, channels);
            prop_assert_eq!(resized, vec![value; to.0 * to.1 * channels]);
        }
    }
}
