//! Concepts of tone: how dark, bright, contrasty or saturated a whole scene is.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::backdrop::{backdrop, photograph};
use super::canvas::Canvas;
use super::colour::{contrasting, luma, mix, scaled};
use super::form::{COMPACT, Form};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Dark,
    Bright,
    Vivid,
    Pale,
    HighContrast,
    LowContrast,
}

pub(super) fn draw(canvas: &mut Canvas, random: &mut ChaCha8Rng, tone: Tone, positive: bool) {
    let ground = backdrop(canvas, random);
    for _ in 0..random.random_range(1..4) {
        let form = Form::new(COMPACT[random.random_range(0..COMPACT.len())], random);
        let (x, y, size) = (random.random(), random.random(), random.random_range(0.15..0.4));
        let colour = contrasting(random, ground);
        form.at(x, y, size).turned(random.random_range(0.0..TAU)).paint(canvas, colour, random);
    }
    photograph(canvas, random);
    develop(canvas, random, tone, positive);
}

/// Turns the scene to the tone, or to the rest of its range.
fn develop(canvas: &mut Canvas, random: &mut ChaCha8Rng, tone: Tone, positive: bool) {
    let mut pick = |shown: (f32, f32), absent: (f32, f32)| {
        let (low, high) = if positive { shown } else { absent };
        random.random_range(low..high)
    };
    match tone {
        Tone::Dark => {
            let exposure = pick((0.15, 0.4), (0.8, 1.3));
            canvas.map(|_, _, colour| scaled(colour, exposure));
        }
        Tone::Bright => {
            let (gain, lift) = (pick((1.1, 1.5), (0.6, 1.0)), pick((0.25, 0.45), (-0.1, 0.05)));
            canvas.map(|_, _, colour| colour.map(|value| gain * value + lift));
        }
        Tone::Vivid => saturate(canvas, pick((2.5, 4.0), (0.0, 0.8))),
        Tone::Pale => {
            let (veil, share) = (pick((0.55, 0.75), (0.0, 0.1)), pick((0.2, 0.5), (0.9, 1.6)));
            saturate(canvas, share);
            canvas.map(|_, _, colour| mix(colour, [0.92; 3], veil));
        }
        Tone::HighContrast => stretch(canvas, pick((2.2, 3.5), (0.4, 1.0))),
        Tone::LowContrast => stretch(canvas, pick((0.12, 0.3), (0.9, 1.6))),
    }
}

fn saturate(canvas: &mut Canvas, factor: f32) {
    canvas.map(|_, _, colour| mix([luma(colour); 3], colour, factor));
}

fn stretch(canvas: &mut Canvas, factor: f32) {
    canvas.map(|_, _, colour| mix([0.5; 3], colour, factor));
}
