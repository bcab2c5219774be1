//! Concepts of strokes and shapes: a form that stands out from the scene; negatives show another form.

use std::f32::consts::TAU;

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::backdrop::{backdrop, photograph};
use super::canvas::Canvas;
use super::colour::contrasting;
use super::form::{Form, Kind};

const ALL: [Kind; 12] = [
    Kind::StraightEdge,
    Kind::Corner,
    Kind::Circle,
    Kind::Ring,
    Kind::Cross,
    Kind::Curve,
    Kind::Blob,
    Kind::Branches,
    Kind::Spokes,
    Kind::Eyes,
    Kind::Triangle,
    Kind::Box,
];

pub(super) fn draw(canvas: &mut Canvas, random: &mut ChaCha8Rng, kind: Kind, positive: bool) {
    let shown = if positive { kind } else { other(kind, random) };
    let ground = backdrop(canvas, random);
    let colour = contrasting(random, ground);
    let (x, y, size) =
        (random.random_range(0.35..0.65), random.random_range(0.35..0.65), random.random_range(0.25..0.45));
    let angle = turn(shown, random);
    Form::new(shown, random).at(x, y, size).turned(angle).paint(canvas, colour, random);
    photograph(canvas, random);
}

/// Another form that nobody would call by this one's name.
fn other(kind: Kind, random: &mut ChaCha8Rng) -> Kind {
    let others: Vec<_> = ALL.into_iter().filter(|&other| !alike(kind, other)).collect();
    others.choose(random).copied().unwrap_or(Kind::Blob)
}

fn alike(one: Kind, other: Kind) -> bool {
    const PAIRS: [(Kind, Kind); 7] = [
        (Kind::Circle, Kind::Blob),
        (Kind::Ring, Kind::Spokes),
        (Kind::Circle, Kind::Eyes),
        (Kind::Box, Kind::Corner),
        (Kind::Triangle, Kind::Corner),
        (Kind::StraightEdge, Kind::Corner),
        (Kind::Box, Kind::StraightEdge),
    ];
    one == other || PAIRS.contains(&(one, other)) || PAIRS.contains(&(other, one))
}

/// Things with an up stay nearly upright.
fn turn(kind: Kind, random: &mut ChaCha8Rng) -> f32 {
    match kind {
        Kind::Branches | Kind::Eyes | Kind::Cross | Kind::Box => random.random_range(-0.25..0.25),
        Kind::StraightEdge
        | Kind::Corner
        | Kind::Circle
        | Kind::Ring
        | Kind::Curve
        | Kind::Blob
        | Kind::Spokes
        | Kind::Triangle => random.random_range(0.0..TAU),
    }
}
