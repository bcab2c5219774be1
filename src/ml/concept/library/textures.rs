//! Concepts of texture: a surface (the whole scene, or a large part of it) with a pattern; negatives have another pattern.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::backdrop::{backdrop, photograph};
use super::canvas::Canvas;
use super::colour::{contrasting, mix};
use super::form::{Form, Kind};
use super::noise::{lattice, value_noise};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texture {
    HorizontalStripes,
    VerticalStripes,
    DiagonalStripes,
    Checkerboard,
    Dots,
    Grain,
    Smooth,
    Grid,
    Woven,
    Scales,
    Fur,
}

const ALL: [Texture; 11] = [
    Texture::HorizontalStripes,
    Texture::VerticalStripes,
    Texture::DiagonalStripes,
    Texture::Checkerboard,
    Texture::Dots,
    Texture::Grain,
    Texture::Smooth,
    Texture::Grid,
    Texture::Woven,
    Texture::Scales,
    Texture::Fur,
];

pub(super) fn draw(canvas: &mut Canvas, random: &mut ChaCha8Rng, texture: Texture, positive: bool) {
    let shown = if positive { texture } else { other(texture, random) };
    let ground = backdrop(canvas, random);
    cover(canvas, random, shown, ground);
    photograph(canvas, random);
}

fn other(texture: Texture, random: &mut ChaCha8Rng) -> Texture {
    let others: Vec<_> = ALL.into_iter().filter(|&other| other != texture).collect();
    others.choose(random).copied().unwrap_or(Texture::Smooth)
}

/// Lays the pattern over a large blob, or over everything.
fn cover(canvas: &mut Canvas, random: &mut ChaCha8Rng, texture: Texture, ground: [f32; 3]) {
    let light = contrasting(random, ground);
    let dark = mix(contrasting(random, light), ground, random.random_range(0.0..0.3));
    let weave = Weave::new(random, texture);
    let size = if random.random_bool(0.5) { 3.0 } else { random.random_range(0.4..0.7) };
    let (x, y) = (random.random_range(0.35..0.65), random.random_range(0.35..0.65));
    let part = Form::new(Kind::Blob, random).at(x, y, size);
    let pixel = canvas.pixel();
    canvas.paint(|x, y| part.coverage(x, y, pixel), |x, y| mix(dark, light, weave.share(x, y, pixel)));
}

/// A pattern with its scale, its slight turn and its unevenness.
#[derive(Debug)]
struct Weave {
    texture: Texture,
    /// Repeats over the canvas.
    frequency: f32,
    turn: (f32, f32),
    phase: (f32, f32),
    salt: u32,
    bend: f32,
}

impl Weave {
    fn new(random: &mut ChaCha8Rng, texture: Texture) -> Self {
        let tilt: f32 = random.random_range(-0.15..0.15);
        let diagonal = if random.random_bool(0.5) { 0.785 } else { 2.356 };
        let angle = if texture == Texture::DiagonalStripes { diagonal + tilt } else { tilt };
        let frequency = random.random_range(3.5..7.5);
        let phase = (random.random(), random.random());
        Self {
            texture,
            frequency,
            turn: angle.sin_cos(),
            phase,
            salt: random.random(),
            bend: random.random_range(0.0..0.25),
        }
    }

    /// Share of the light colour at a point.
    fn share(&self, x: f32, y: f32, pixel: f32) -> f32 {
        let (sine, cosine) = self.turn;
        let bent = self.bend * value_noise(self.salt, 2.5 * x, 2.5 * y);
        let u = self.frequency * (cosine * x + sine * y) + self.phase.0 + bent;
        let v = self.frequency * (cosine * y - sine * x) + self.phase.1 + bent;
        self.pattern(u, v, (x, y), 1.0 / (self.frequency * pixel))
    }

    /// `sharpness`: pixels in one repeat.
    fn pattern(&self, u: f32, v: f32, (x, y): (f32, f32), sharpness: f32) -> f32 {
        let edge = |value: f32| (0.5 + value * sharpness * 0.5).clamp(0.0, 1.0);
        let (wave_u, wave_v) = (triangle(u), triangle(v));
        match self.texture {
            Texture::HorizontalStripes => edge(wave_v),
            Texture::VerticalStripes | Texture::DiagonalStripes => edge(wave_u),
            Texture::Checkerboard => {
                let (across, down) = (edge(triangle(0.5 * u)), edge(triangle(0.5 * v)));
                across + down - 2.0 * across * down
            }
            Texture::Dots => edge(0.35 - fraction(u).hypot(fraction(v))),
            Texture::Grain => {
                let cells = (sharpness * self.frequency).min(64.0);
                0.5 + 0.5 * lattice(self.salt, (cells * x) as i32, (cells * y) as i32)
            }
            Texture::Smooth => 0.5 + 0.35 * value_noise(self.salt, x, y),
            Texture::Grid => edge(wave_u.abs().max(wave_v.abs()) - 0.38),
            Texture::Woven => woven(u, v),
            Texture::Scales => scales(u, v),
            Texture::Fur => 0.5 + 0.5 * value_noise(self.salt, 5.0 * u + 1.5 * bow(v), 0.8 * v),
        }
    }
}

/// From -0.5 to 0.5 and back over one repeat.
fn triangle(value: f32) -> f32 {
    2.0 * (value - value.floor() - 0.5).abs() - 0.5
}

/// Signed distance to the middle of the cell.
fn fraction(value: f32) -> f32 {
    value - value.floor() - 0.5
}

fn bow(v: f32) -> f32 {
    (1.3 * v).sin()
}

/// Bands that pass over and under each other.
fn woven(u: f32, v: f32) -> f32 {
    let over = (u.floor() + v.floor()) as i64 % 2 == 0;
    let aside = if over { fraction(u) } else { fraction(v) };
    1.0 - 2.6 * aside.abs().powi(2) - if over { 0.0 } else { 0.35 }
}

/// Rows of overlapping arcs, darker towards the rim.
fn scales(u: f32, v: f32) -> f32 {
    let row = (2.0 * v).floor();
    let shift = 0.5 * (row as i64).rem_euclid(2) as f32;
    let (across, down) = (fraction(u + shift), 2.0 * v - row);
    let radius = across.hypot(0.5 * down);
    if radius > 0.5 { 0.15 + 0.3 * (radius - 0.5) } else { 1.0 - 1.4 * radius }
}
