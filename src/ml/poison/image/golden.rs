//! Peaks and resizing against torch in f64: values from `tests/golden/poison/make.py`.
//!
//! Tolerances: peaks are the same pixel; resized f32 values within 1e-6 (the result is rounded to f32 once).

use std::path::PathBuf;

use serde::Deserialize;

use super::peak::ScoreMap;
use super::resample::resize;
use crate::domain::dataset::ImageShape;

#[derive(Debug, Deserialize)]
struct Golden {
    peaks: Vec<Peak>,
    resized: Vec<Resized>,
}

#[derive(Debug, Deserialize)]
struct Peak {
    cells: (usize, usize),
    shape: (u32, u32),
    values: Vec<f32>,
    peak: (usize, usize),
}

#[derive(Debug, Deserialize)]
struct Resized {
    from: (usize, usize),
    to: (usize, usize),
    pixels: Vec<f32>,
    resized: Vec<f64>,
}

fn golden() -> Golden {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/poison/image.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn peaks_are_those_of_interpolate() {
    for Peak { cells: (height, width), shape, values, peak } in golden().peaks {
        let shape = ImageShape { height: shape.0, width: shape.1, channels: 3 };
        assert_eq!(ScoreMap { height, width, values }.peak(shape).unwrap(), peak, "{height}x{width} in {shape}");
    }
}

#[test]
fn resizing_is_that_of_antialiased_interpolate() {
    for case in golden().resized {
        let resized = resize(&case.pixels, case.from, case.to, 1);
        assert_eq!(resized.len(), case.resized.len());
        for (value, expected) in resized.iter().zip(&case.resized) {
            assert!(
                (f64::from(*value) - expected).abs() < 1e-6,
                "{:?} to {:?}: {value}, {expected}",
                case.from,
                case.to
            );
        }
    }
}
