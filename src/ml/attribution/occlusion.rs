//! Occlusion: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2: how much the output drops
//! when a window shows the baseline; a pixel gets the mean over the windows that cover it. As Captum 0.8's `Occlusion` with
//! windows over all channels: they start at multiples of the stride, the last one is cut off by the border.

use std::ops::Range;

use tch::{Kind, Tensor};

use super::method::{Answer, Context, Method, Question, Subject};
use crate::domain::Result;
use crate::ml::torch::torch_error;

/// Row 0 is the input itself, row `i + 1` the input with window `i` hidden.
#[derive(Debug)]
pub(super) struct Occlusion {
    size: [usize; 2],
    window: usize,
    stride: usize,
    /// Windows down and across.
    counts: [usize; 2],
    /// Windows that cover each pixel.
    cover: Vec<f64>,
}

impl Occlusion {
    /// `1 <= stride <= window <= min(size)`.
    pub(super) fn new(size: [u32; 2], window: u32, stride: u32) -> Self {
        let [size, [window, stride]] = [size, [window, stride]].map(|pair| pair.map(|value| value as usize));
        let counts = size.map(|length| (length - window).div_ceil(stride) + 1);
        let mut occlusion = Self { size, window, stride, counts, cover: Vec::new() };
        occlusion.cover = occlusion.spread((0..counts[0] * counts[1]).map(|index| (index, 1.0)));
        occlusion
    }

    /// Rows and columns that window `index` covers.
    fn covered(&self, index: usize) -> [Range<usize>; 2] {
        let place = [index / self.counts[1], index % self.counts[1]];
        [0, 1].map(|axis| {
            let start = place[axis] * self.stride;
            start..self.size[axis].min(start + self.window)
        })
    }

    /// For each pixel the sum over the values of the windows that cover it.
    fn spread(&self, windows: impl Iterator<Item = (usize, f64)>) -> Vec<f64> {
        let [height, width] = self.size;
        let mut sums = vec![0.0; height * width];
        for (index, value) in windows {
            let [rows, columns] = self.covered(index);
            for row in rows {
                sums[row * width..][columns.clone()].iter_mut().for_each(|sum| *sum += value);
            }
        }
        sums
    }

    fn hide(&self, subject: &Subject, index: usize, row: &Tensor) -> std::result::Result<(), tch::TchError> {
        let [rows, columns] = self.covered(index).map(|range| (range.start as i64, range.len() as i64));
        let part = |image: &Tensor| image.f_narrow(2, rows.0, rows.1)?.f_narrow(3, columns.0, columns.1);
        part(row)?.f_copy_(&part(&subject.baseline)?).map(drop)
    }

    /// Values of pixels as `[1,1,H,W]`.
    fn map(&self, values: &[f64]) -> std::result::Result<Tensor, tch::TchError> {
        Tensor::f_from_slice(values)?.f_view([1, 1, self.size[0] as i64, self.size[1] as i64])
    }
}

impl Method for Occlusion {
    fn question(&self) -> Question {
        Question::Outputs
    }

    fn row_count(&self) -> usize {
        self.counts[0] * self.counts[1] + 1
    }

    fn takes_each_baseline(&self) -> bool {
        true
    }

    fn write_rows(&self, subject: &Subject, _: &Context, range: Range<usize>, rows: &Tensor) -> Result<Option<Tensor>> {
        let write = || {
            rows.shallow_clone().f_copy_(&subject.input)?;
            for (row, number) in (0..).zip(range) {
                if let Some(window) = number.checked_sub(1) {
                    self.hide(subject, window, &rows.f_narrow(0, row, 1)?)?;
                }
            }
            Ok(None)
        };
        write().map_err(torch_error("hide a window"))
    }

    fn add(&self, _: &Subject, answer: &Answer<'_>, sum: Option<Tensor>) -> Result<Tensor> {
        let drops = answer.rows.clone().zip(answer.outputs);
        let drops = drops.filter_map(|(row, output)| Some((row.checked_sub(1)?, answer.first_output - output)));
        let add = || {
            let share = self.map(&self.spread(drops))?;
            sum.map_or(Ok(share.shallow_clone()), |mut sum| sum.f_add_(&share))
        };
        add().map_err(torch_error("sum the drops"))
    }

    fn finish(&self, subject: &Subject, _: &Context, sum: Tensor) -> Result<Tensor> {
        let finish = || {
            let mean = sum.f_div(&self.map(&self.cover)?)?.f_to_kind(Kind::Float)?;
            mean.f_to_device(subject.input.device())?.f_expand_as(&subject.input)?.f_contiguous()
        };
        finish().map_err(torch_error("average the drops"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_every_pixel_and_end_at_the_border() {
        for (window, stride, counts) in [(3, 2, [3, 4]), (2, 2, [4, 4]), (7, 7, [1, 2]), (1, 1, [7, 8])] {
            let occlusion = Occlusion::new([7, 8], window, stride);
            assert_eq!(occlusion.counts, counts);
            assert!(occlusion.cover.iter().all(|&count| count >= 1.0));
        }
        assert_eq!(Occlusion::new([7, 8], 3, 2).covered(11), [4..7, 6..8]);
    }
}
