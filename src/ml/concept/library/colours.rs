//! Concepts of colour: a scene whose objects, and often all of it, have the colour; negatives have another.

use std::f32::consts::TAU;

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::backdrop::{backdrop, photograph};
use super::canvas::Canvas;
use super::colour::{Colour, NAMED, NamedColour, mix};
use super::form::{COMPACT, Form};
use super::noise::cloud;

pub(super) fn draw(canvas: &mut Canvas, random: &mut ChaCha8Rng, colour: &NamedColour, positive: bool) {
    let shown = if positive { colour } else { other(colour, random) };
    backdrop(canvas, random);
    if random.random_bool(0.35) {
        wash(canvas, random, shown);
    }
    for _ in 0..random.random_range(1..4) {
        let surface = shown.sample(random);
        object(canvas, random, surface);
    }
    photograph(canvas, random);
}

fn other(colour: &NamedColour, random: &mut ChaCha8Rng) -> &'static NamedColour {
    let others: Vec<_> = NAMED.iter().filter(|named| named.name != colour.name).collect();
    others.choose(random).copied().unwrap_or(&NAMED[0])
}

/// Most of the scene takes the colour, cloudily.
fn wash(canvas: &mut Canvas, random: &mut ChaCha8Rng, shown: &NamedColour) {
    let (near, far) = (shown.sample(random), shown.sample(random));
    let (salt, scale) = (random.random(), random.random_range(1.5..4.0));
    canvas.map(|x, y, below| {
        let share = 0.5 + 0.5 * cloud(salt, scale * x, scale * y);
        mix(below, mix(near, far, share), 0.8)
    });
}

fn object(canvas: &mut Canvas, random: &mut ChaCha8Rng, surface: Colour) {
    let form = Form::new(COMPACT[random.random_range(0..COMPACT.len())], random);
    let (x, y, size) = (random.random_range(0.2..0.8), random.random_range(0.2..0.8), random.random_range(0.2..0.5));
    form.at(x, y, size).turned(random.random_range(0.0..TAU)).paint(canvas, surface, random);
}
