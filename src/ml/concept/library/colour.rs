//! Colours: conversion, mixing, and the named ones.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Red, green and blue in [0, 1].
pub(super) type Colour = [f32; 3];

/// Ranges of hue (in turns, may pass 1), saturation and value that people call by the name.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamedColour {
    pub(super) name: &'static str,
    hue: (f32, f32),
    saturation: (f32, f32),
    value: (f32, f32),
}

const fn named(name: &'static str, hue: (f32, f32), saturation: (f32, f32), value: (f32, f32)) -> NamedColour {
    NamedColour { name, hue, saturation, value }
}

pub(super) const NAMED: [NamedColour; 12] = [
    named("red", (0.97, 1.02), (0.7, 1.0), (0.55, 0.95)),
    named("orange", (0.055, 0.09), (0.75, 1.0), (0.85, 1.0)),
    named("yellow", (0.135, 0.175), (0.65, 1.0), (0.85, 1.0)),
    named("green", (0.26, 0.4), (0.5, 1.0), (0.35, 0.8)),
    named("cyan", (0.47, 0.53), (0.5, 1.0), (0.7, 1.0)),
    named("blue", (0.58, 0.67), (0.6, 1.0), (0.45, 0.95)),
    named("purple", (0.74, 0.81), (0.5, 0.95), (0.35, 0.75)),
    named("pink", (0.87, 0.95), (0.3, 0.6), (0.88, 1.0)),
    named("brown", (0.04, 0.09), (0.5, 0.8), (0.25, 0.5)),
    named("black", (0.0, 1.0), (0.0, 0.2), (0.0, 0.1)),
    named("white", (0.0, 1.0), (0.0, 0.06), (0.92, 1.0)),
    named("grey", (0.0, 1.0), (0.0, 0.08), (0.38, 0.62)),
];

impl NamedColour {
    pub(super) fn sample(&self, random: &mut ChaCha8Rng) -> Colour {
        let mut between = |(low, high): (f32, f32)| random.random_range(low..=high);
        from_hsv(between(self.hue), between(self.saturation), between(self.value))
    }
}

/// A colour of the world: any hue, mostly muted.
pub(super) fn natural(random: &mut ChaCha8Rng) -> Colour {
    let saturation = random.random::<f32>();
    from_hsv(random.random(), saturation * saturation * 0.8, random.random_range(0.2..0.95))
}

/// A natural colour that stands out from `ground` in luma.
pub(super) fn contrasting(random: &mut ChaCha8Rng, ground: Colour) -> Colour {
    let colour = natural(random);
    if (luma(colour) - luma(ground)).abs() > 0.25 {
        return colour;
    }
    let end = if luma(ground) > 0.5 { [0.05; 3] } else { [0.95; 3] };
    mix(colour, end, random.random_range(0.6..0.9))
}

pub(super) fn from_hsv(hue: f32, saturation: f32, value: f32) -> Colour {
    [5.0, 3.0, 1.0].map(|offset| {
        let sector = (offset + hue.rem_euclid(1.0) * 6.0) % 6.0;
        value - value * saturation * sector.min(4.0 - sector).clamp(0.0, 1.0)
    })
}

pub(super) fn mix(from: Colour, to: Colour, share: f32) -> Colour {
    [0, 1, 2].map(|channel| from[channel] + share * (to[channel] - from[channel]))
}

pub(super) fn scaled(colour: Colour, factor: f32) -> Colour {
    colour.map(|value| value * factor)
}

/// Rec. 601, as Pillow's conversion to grey.
pub(super) fn luma(colour: Colour) -> f32 {
    0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
}
