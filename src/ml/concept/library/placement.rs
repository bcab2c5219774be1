//! Concepts of placement: where the main object is and how large it is; negatives show it elsewhere, or of the other size.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::backdrop::{backdrop, photograph};
use super::canvas::Canvas;
use super::colour::contrasting;
use super::form::{COMPACT, Form};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Left,
    Right,
    Top,
    Bottom,
    Centre,
    Large,
    Small,
}

pub(super) fn draw(canvas: &mut Canvas, random: &mut ChaCha8Rng, place: Place, positive: bool) {
    let ground = backdrop(canvas, random);
    let (x, y, size) = spot(random, place, positive);
    let colour = contrasting(random, ground);
    let form = Form::new(COMPACT[random.random_range(0..COMPACT.len())], random);
    form.at(x, y, size).turned(random.random_range(0.0..TAU)).paint(canvas, colour, random);
    photograph(canvas, random);
}

/// Centre and size of the object.
fn spot(random: &mut ChaCha8Rng, place: Place, positive: bool) -> (f32, f32, f32) {
    let size = random.random_range(0.14..0.24);
    let along: f32 = random.random_range(0.18..0.82);
    let near = if positive { random.random_range(0.14..0.3) } else { random.random_range(0.48..0.86) };
    match place {
        Place::Left => (near, along, size),
        Place::Right => (1.0 - near, along, size),
        Place::Top => (along, near, size),
        Place::Bottom => (along, 1.0 - near, size),
        Place::Centre => around(random, positive, size),
        Place::Large | Place::Small => {
            let large = (place == Place::Large) == positive;
            let size = if large { random.random_range(0.34..0.5) } else { random.random_range(0.08..0.17) };
            (random.random_range(0.35..0.65), random.random_range(0.35..0.65), size)
        }
    }
}

/// Near the middle, or well away from it.
fn around(random: &mut ChaCha8Rng, positive: bool, size: f32) -> (f32, f32, f32) {
    let distance = if positive { random.random_range(0.0..0.09) } else { random.random_range(0.27..0.4) };
    let (sine, cosine) = random.random_range(0.0..TAU).sin_cos();
    (0.5 + distance * cosine, 0.5 + distance * sine, size)
}
