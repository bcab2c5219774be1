//! Rendered labelled images with known attributes, for acceptance tests and demonstrations: which concepts a class owes its
//! decision to is known by construction.
//!
//! Class = colour + 2 * stroke. Texture and position vary freely: they tell nothing about the class or each other.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::backdrop::photograph;
use super::canvas::Canvas;
use super::colour::{Colour, from_hsv, mix, natural};
use super::form::{Form, Kind};
use crate::domain::dataset::ImageShape;
use crate::ml::random::{Purpose, stream};

/// Square RGB images in NHWC order and what is true of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeDataset {
    pub pixels: Vec<u8>,
    /// 0 to 3.
    pub labels: Vec<u32>,
    /// The object is warm (red to orange), not cold (blue to cyan).
    pub colour: Vec<bool>,
    /// The object is a cross, not a ring.
    pub stroke: Vec<bool>,
    /// The background is striped, not plain.
    pub texture: Vec<bool>,
    /// The object is in the left half, not in the right.
    pub position: Vec<bool>,
}

#[derive(Debug, Clone, Copy)]
struct Attributes {
    colour: bool,
    stroke: bool,
    texture: bool,
    position: bool,
}

/// `count` images of `size` x `size`; the classes come in turn, the same seed gives the same images.
pub fn dataset(count: usize, size: u32, seed: u64) -> AttributeDataset {
    let shape = ImageShape { height: size, width: size, channels: 3 };
    let (attributes, images): (Vec<_>, Vec<_>) = (0..count).into_par_iter().map(|i| sample(i, seed, shape)).unzip();
    let each = |of: fn(&Attributes) -> bool| attributes.iter().map(of).collect::<Vec<_>>();
    AttributeDataset {
        pixels: images.concat(),
        labels: (0..count).map(|index| (index % 4) as u32).collect(),
        colour: each(|sample| sample.colour),
        stroke: each(|sample| sample.stroke),
        texture: each(|sample| sample.texture),
        position: each(|sample| sample.position),
    }
}

fn sample(index: usize, seed: u64, shape: ImageShape) -> (Attributes, Vec<u8>) {
    let mut random = stream(seed, Purpose::ConceptLibrary, index as u64);
    let (colour, stroke) = (index % 2 == 1, index / 2 % 2 == 1);
    let attributes = Attributes { colour, stroke, texture: random.random(), position: random.random() };
    let mut canvas = Canvas::new(shape);
    background(&mut canvas, &mut random, attributes.texture);
    object(&mut canvas, &mut random, attributes);
    photograph(&mut canvas, &mut random);
    (attributes, canvas.bytes(shape.channels))
}

/// Muted, with diagonal stripes or without.
fn background(canvas: &mut Canvas, random: &mut ChaCha8Rng, striped: bool) {
    let ground = mix(natural(random), [0.5; 3], 0.75);
    let (frequency, phase) = (random.random_range(20.0..32.0), random.random_range(0.0..TAU));
    let depth = random.random_range(0.1..0.2);
    canvas.map(|x, y, _| {
        let wave = if striped { depth * (frequency * (x + y) + phase).sin() } else { 0.0 };
        ground.map(|value| value + wave)
    });
}

fn object(canvas: &mut Canvas, random: &mut ChaCha8Rng, attributes: Attributes) {
    let kind = if attributes.stroke { Kind::Cross } else { Kind::Ring };
    let aside = random.random_range(0.22..0.34);
    let x = if attributes.position { aside } else { 1.0 - aside };
    let (y, size, turn) =
        (random.random_range(0.3..0.7), random.random_range(0.18..0.26), random.random_range(-0.3..0.3));
    let colour = paint(random, attributes.colour);
    Form::new(kind, random).at(x, y, size).turned(turn).paint(canvas, colour, random);
}

fn paint(random: &mut ChaCha8Rng, warm: bool) -> Colour {
    let hue = if warm { random.random_range(-0.02..0.07) } else { random.random_range(0.53..0.65) };
    from_hsv(hue, random.random_range(0.75..1.0), random.random_range(0.65..1.0))
}
