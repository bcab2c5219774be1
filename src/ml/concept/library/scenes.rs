//! Concepts of gradients, scenes and layout: what fills the whole picture; negatives are other scenes of the family.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::backdrop::{backdrop, photograph};
use super::canvas::Canvas;
use super::colour::{Colour, contrasting, from_hsv, mix, natural, scaled};
use super::form::{COMPACT, Form};
use super::noise::{cloud, value_noise};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    Sky,
    Ground,
    Water,
    Foliage,
    Vignette,
    Horizon,
    VerticalSplit,
    Framed,
}

const ALL: [Scene; 8] = [
    Scene::Sky,
    Scene::Ground,
    Scene::Water,
    Scene::Foliage,
    Scene::Vignette,
    Scene::Horizon,
    Scene::VerticalSplit,
    Scene::Framed,
];

pub(super) fn draw(canvas: &mut Canvas, random: &mut ChaCha8Rng, scene: Scene, positive: bool) {
    let shown = if positive { scene } else { other(scene, random) };
    let ground = backdrop(canvas, random);
    match shown {
        Scene::Sky => sky(canvas, random),
        Scene::Ground => earth(canvas, random),
        Scene::Water => water(canvas, random),
        Scene::Foliage => foliage(canvas, random),
        Scene::Vignette => vignette(canvas, random),
        Scene::Horizon => halves(canvas, random, ground, true),
        Scene::VerticalSplit => halves(canvas, random, ground, false),
        Scene::Framed => frame(canvas, random, ground),
    }
    if random.random_bool(0.4) {
        passer_by(canvas, random);
    }
    photograph(canvas, random);
}

fn other(scene: Scene, random: &mut ChaCha8Rng) -> Scene {
    let others: Vec<_> = ALL.into_iter().filter(|&other| other != scene).collect();
    others.choose(random).copied().unwrap_or(Scene::Vignette)
}

/// A small object that has nothing to do with the scene.
fn passer_by(canvas: &mut Canvas, random: &mut ChaCha8Rng) {
    let colour = natural(random);
    let form = Form::new(COMPACT[random.random_range(0..COMPACT.len())], random);
    let (x, y, size) = (random.random_range(0.2..0.8), random.random_range(0.2..0.8), random.random_range(0.06..0.15));
    form.at(x, y, size).paint(canvas, colour, random);
}

/// Bright above, with clouds; the lower part fades.
fn sky(canvas: &mut Canvas, random: &mut ChaCha8Rng) {
    let high = from_hsv(random.random_range(0.52..0.64), random.random_range(0.15..0.7), random.random_range(0.8..1.0));
    let low = mix(scaled(high, random.random_range(0.4..0.65)), natural(random), 0.3);
    let (salt, scale, cover) = (random.random(), random.random_range(2.0..4.5), random.random_range(0.1..0.8));
    canvas.map(|x, y, _| {
        let white = (cover * cloud(salt, scale * x, 1.8 * scale * y) * 1.5).clamp(0.0, 0.8) * (1.0 - y);
        mix(mix(high, low, y * y), [0.97; 3], white)
    });
}

/// Earth or grass that darkens downwards under a pale distance.
fn earth(canvas: &mut Canvas, random: &mut ChaCha8Rng) {
    let soil = from_hsv(random.random_range(0.05..0.3), random.random_range(0.25..0.6), random.random_range(0.2..0.42));
    let distance = mix(natural(random), [0.8; 3], 0.6);
    let (salt, start) = (random.random(), random.random_range(0.05..0.35));
    canvas.map(|x, y, _| {
        let share = ((y - start) * 2.2).clamp(0.0, 1.0);
        let rough = 0.13 * share * cloud(salt, 14.0 * x, 22.0 * y / (0.4 + y));
        mix(distance, scaled(soil, 1.3 - 0.6 * y), share).map(|value| value + rough)
    });
}

/// Ripples that widen towards the viewer.
fn water(canvas: &mut Canvas, random: &mut ChaCha8Rng) {
    let deep = from_hsv(random.random_range(0.46..0.64), random.random_range(0.3..0.8), random.random_range(0.3..0.65));
    let glint = mix(deep, [1.0; 3], random.random_range(0.4..0.75));
    let (salt, waves) = (random.random(), random.random_range(14.0..26.0));
    canvas.map(|x, y, _| {
        let bend = 2.2 * value_noise(salt, 4.0 * x, 7.0 * y);
        let ripple = (waves * (0.4 + y).ln() * 3.0 + bend).sin() + 0.5 * value_noise(salt, 9.0 * x, 25.0 * y);
        mix(deep, glint, (0.3 + 0.4 * ripple).clamp(0.0, 1.0))
    });
}

/// Leaves in light and shade.
fn foliage(canvas: &mut Canvas, random: &mut ChaCha8Rng) {
    let hue = random.random_range(0.19..0.38);
    let lit = from_hsv(hue - 0.02, random.random_range(0.4..0.8), random.random_range(0.5..0.85));
    let shade = from_hsv(hue + 0.03, 0.7, random.random_range(0.08..0.25));
    let (salt, scale) = (random.random(), random.random_range(6.0..12.0));
    canvas.map(|x, y, _| {
        let leaf = cloud(salt, scale * (x + 0.6 * y), scale * (y - 0.6 * x)) + 0.5 * cloud(salt ^ 7, 3.0 * x, 3.0 * y);
        mix(shade, lit, (0.5 + 0.9 * leaf).clamp(0.0, 1.0))
    });
}

/// The backdrop, darker towards the corners.
fn vignette(canvas: &mut Canvas, random: &mut ChaCha8Rng) {
    let (strength, lift) = (random.random_range(1.3..2.0), random.random_range(0.15..0.35));
    canvas.map(|x, y, colour| {
        let radius = (x - 0.5).hypot(y - 0.5);
        scaled(colour.map(|value| value + lift), (1.1 - strength * radius * radius * 1.1).max(0.05))
    });
}

/// Two parts, one above the other or side by side.
fn halves(canvas: &mut Canvas, random: &mut ChaCha8Rng, ground: Colour, level: bool) {
    let (far, line, tilt) =
        (contrasting(random, ground), random.random_range(0.35..0.65), random.random_range(-0.06..0.06));
    let (pixel, salt) = (canvas.pixel(), random.random());
    let coverage = |x: f32, y: f32| {
        let (along, aside) = if level { (x, y) } else { (y, x) };
        0.5 + (aside - line - tilt * (along - 0.5)) / pixel
    };
    canvas.paint(coverage, |x, y| far.map(|value| value + 0.08 * cloud(salt, 4.0 * x, 4.0 * y)));
}

/// A border on all four sides.
fn frame(canvas: &mut Canvas, random: &mut ChaCha8Rng, ground: Colour) {
    let (border, width) = (contrasting(random, ground), random.random_range(0.09..0.2));
    let pixel = canvas.pixel();
    let coverage = |x: f32, y: f32| 0.5 + (width - x.min(1.0 - x).min(y).min(1.0 - y)) / pixel;
    canvas.paint(coverage, |_, _| border);
}
