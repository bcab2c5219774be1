//! Where a coarse score map is highest in the image it belongs to.
//!
//! The map is upsampled bilinearly with pixel centres aligned (`torch.nn.functional.interpolate(mode="bilinear",
//! align_corners=False)`) and the first largest pixel, row by row, is the peak. Sums are in f64.

use crate::domain::dataset::ImageShape;
use crate::domain::{Error, Result};

/// Scores of an image's regions, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreMap {
    pub height: usize,
    pub width: usize,
    pub values: Vec<f32>,
}

impl ScoreMap {
    /// Row and column of the highest score in an image of `shape`; the first one, row by row, where several are as high.
    ///
    /// # Errors
    /// `NON_FINITE_SCORES`.
    pub fn peak(&self, shape: ImageShape) -> Result<(usize, usize)> {
        self.check()?;
        let rows = taps(self.height, shape.height as usize);
        let columns = taps(self.width, shape.width as usize);
        let mut best = (f64::NEG_INFINITY, (0, 0));
        for (row, vertical) in rows.iter().enumerate() {
            let line = self.line(*vertical);
            for (column, horizontal) in columns.iter().enumerate() {
                let score = horizontal.blend(&line);
                if score > best.0 {
                    best = (score, (row, column));
                }
            }
        }
        Ok(best.1)
    }

    /// A row of the upsampled image before it is stretched sideways.
    fn line(&self, tap: Tap) -> Vec<f64> {
        let at = |row: usize, column: usize| f64::from(self.values[row * self.width + column]);
        (0..self.width).map(|column| mix(at(tap.first, column), at(tap.second, column), tap.share)).collect()
    }

    fn check(&self) -> Result<()> {
        let (height, width, count) = (self.height, self.width, self.values.len());
        if count == 0 || height * width != count {
            return Err(Error::internal(format!("a score map of {height}x{width} has {count} values")));
        }
        match self.values.iter().all(|value| value.is_finite()) {
            true => Ok(()),
            false => Err(Error::failed_precondition(
                "NON_FINITE_SCORES",
                "the concept scores of an image are not finite; the model's weights or the concept bank are damaged",
            )),
        }
    }
}

/// Two neighbouring cells and the share of the second.
#[derive(Debug, Clone, Copy)]
struct Tap {
    first: usize,
    second: usize,
    share: f64,
}

impl Tap {
    fn blend(self, line: &[f64]) -> f64 {
        mix(line[self.first], line[self.second], self.share)
    }
}

/// Exact where both are equal, so that flat regions stay flat.
fn mix(first: f64, second: f64, share: f64) -> f64 {
    first + (second - first) * share
}

/// The cells that each of `outputs` pixels lies between.
fn taps(inputs: usize, outputs: usize) -> Vec<Tap> {
    let scale = inputs as f64 / outputs as f64;
    let tap = |output: usize| {
        let place = ((output as f64 + 0.5) * scale - 0.5).max(0.0);
        let first = (place as usize).min(inputs - 1);
        Tap { first, second: (first + 1).min(inputs - 1), share: place - first as f64 }
    };
    (0..outputs).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(height: u32, width: u32) -> ImageShape {
        ImageShape { height, width, channels: 3 }
    }

    fn map(height: usize, width: usize, values: &[f32]) -> ScoreMap {
        ScoreMap { height, width, values: values.to_vec() }
    }

    #[test]
    fn the_peak_is_at_the_centre_of_the_best_cell() {
        let mut values = vec![0.0; 49];
        values[3 * 7 + 5] = 1.0;
        // Cell 3 covers rows 96..128: its centre lies between rows 111 and 112, which are equally high.
        assert_eq!(map(7, 7, &values).peak(shape(224, 224)).unwrap(), (111, 175));
    }

    #[test]
    fn a_map_as_large_as_the_image_is_taken_as_it_is() {
        assert_eq!(map(2, 3, &[0.0, 1.0, 0.5, 0.0, 0.9, 2.0]).peak(shape(2, 3)).unwrap(), (1, 2));
    }

    #[test]
    fn a_flat_map_peaks_at_its_first_pixel_and_a_single_cell_is_flat() {
        assert_eq!(map(3, 3, &[0.1; 9]).peak(shape(32, 32)).unwrap(), (0, 0));
        assert_eq!(map(1, 1, &[-4.0]).peak(shape(5, 4)).unwrap(), (0, 0));
    }

    #[test]
    fn damaged_maps_are_refused() {
        let reason = |map: ScoreMap| map.peak(shape(8, 8)).unwrap_err().reason;
        assert_eq!(reason(map(1, 2, &[0.0, f32::NAN])), "NON_FINITE_SCORES");
        assert_eq!(reason(map(2, 2, &[0.0])), "INTERNAL");
        assert_eq!(reason(map(0, 0, &[])), "INTERNAL");
    }
}
