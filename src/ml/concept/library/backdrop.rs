//! What all scenes share: a background with low-frequency noise, faint clutter, and the wear of a photograph.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::canvas::Canvas;
use super::colour::{Colour, mix, natural};
use super::form::{COMPACT, Form};
use super::noise::cloud;

/// Paints the background and some clutter; tells its main colour.
pub(super) fn backdrop(canvas: &mut Canvas, random: &mut ChaCha8Rng) -> Colour {
    let ground = field(canvas, random);
    for _ in 0..random.random_range(0..4) {
        clutter(canvas, random, ground);
    }
    ground
}

/// Two close colours in a gradient of any direction, under clouds.
fn field(canvas: &mut Canvas, random: &mut ChaCha8Rng) -> Colour {
    let ground = natural(random);
    let far = mix(ground, natural(random), random.random_range(0.0..0.45));
    let (across, down) = random.random_range(0.0..TAU).sin_cos();
    let (salt, scale, strength) = (random.random(), random.random_range(1.5..5.0), random.random_range(0.02..0.12));
    canvas.map(|x, y, _| {
        let share = 0.5 + 0.7 * (across * (x - 0.5) + down * (y - 0.5));
        let shade = strength * cloud(salt, scale * x, scale * y);
        mix(ground, far, share.clamp(0.0, 1.0)).map(|value| value + shade)
    });
    mix(ground, far, 0.5)
}

fn clutter(canvas: &mut Canvas, random: &mut ChaCha8Rng, ground: Colour) {
    let colour = mix(ground, natural(random), random.random_range(0.1..0.35));
    let (x, y) = (random.random(), random.random());
    let form = Form::new(COMPACT[random.random_range(0..COMPACT.len())], random);
    let size = random.random_range(0.05..0.25);
    form.at(x, y, size).turned(random.random_range(0.0..TAU)).paint(canvas, colour, random);
}

/// Exposure, contrast and grain.
pub(super) fn photograph(canvas: &mut Canvas, random: &mut ChaCha8Rng) {
    let (contrast, exposure) = (random.random_range(0.85..1.1), random.random_range(-0.05..0.05));
    canvas.map(|_, _, colour| colour.map(|value| 0.5 + contrast * (value - 0.5) + exposure));
    let strength = random.random_range(0.0..0.07);
    canvas.grain(random, strength);
}
