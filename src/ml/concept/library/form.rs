//! Forms by their signed distance (negative inside), in coordinates where a form has a radius of about one.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::canvas::Canvas;
use super::colour::{Colour, scaled};
use super::noise::value_noise;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    StraightEdge,
    Corner,
    Circle,
    Ring,
    Cross,
    Curve,
    Blob,
    Branches,
    Spokes,
    Eyes,
    Triangle,
    Box,
}

/// Forms with an inside of some size: what an object may look like.
pub(super) const COMPACT: [Kind; 5] = [Kind::Circle, Kind::Blob, Kind::Triangle, Kind::Box, Kind::Cross];

type Segment = [f32; 4];

#[derive(Debug, Clone)]
pub(super) struct Form {
    kind: Kind,
    centre: (f32, f32),
    size: f32,
    turn: (f32, f32),
    phases: [f32; 2],
    /// Spokes of a wheel.
    count: f32,
    /// Strokes of branches.
    segments: Vec<Segment>,
}

impl Form {
    pub(super) fn new(kind: Kind, random: &mut ChaCha8Rng) -> Self {
        let phases = [random.random_range(0.0..TAU), random.random_range(0.0..TAU)];
        let count = random.random_range(5..10) as f32;
        let segments = if kind == Kind::Branches { branches(random) } else { Vec::new() };
        Self { kind, centre: (0.5, 0.5), size: 0.3, turn: (0.0, 1.0), phases, count, segments }
    }

    pub(super) fn at(self, x: f32, y: f32, size: f32) -> Self {
        Self { centre: (x, y), size, ..self }
    }

    pub(super) fn turned(self, angle: f32) -> Self {
        Self { turn: angle.sin_cos(), ..self }
    }

    /// Share of the pixel at (x, y) that the form covers.
    pub(super) fn coverage(&self, x: f32, y: f32, pixel: f32) -> f32 {
        let (x, y) = self.local(x, y);
        if self.bounded() && x.abs().max(y.abs()) > 1.7 {
            return 0.0;
        }
        (0.5 - self.distance(x, y) * self.size / pixel).clamp(0.0, 1.0)
    }

    /// Paints it with a shaded, slightly mottled surface; eyes get their pupils.
    pub(super) fn paint(&self, canvas: &mut Canvas, colour: Colour, random: &mut ChaCha8Rng) {
        let (pixel, salt, shade) = (canvas.pixel(), random.random(), random.random_range(0.0..0.2));
        let surface = |x: f32, y: f32| {
            let light = 1.0 - shade * (y - self.centre.1) / self.size.max(0.1) * 0.5;
            scaled(colour, light.clamp(0.7, 1.2) + 0.06 * value_noise(salt, 7.0 * x, 7.0 * y))
        };
        canvas.paint(|x, y| self.coverage(x, y, pixel), surface);
        if self.kind == Kind::Eyes {
            self.paint_pupils(canvas);
        }
    }

    fn paint_pupils(&self, canvas: &mut Canvas) {
        let pixel = canvas.pixel();
        let pupil = |x: f32, y: f32| {
            let (x, y) = self.local(x, y);
            (0.5 - (length(x.abs() - 0.55, y) - 0.2) * self.size / pixel).clamp(0.0, 1.0)
        };
        canvas.paint(pupil, |_, _| [0.04; 3]);
    }

    fn local(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = ((x - self.centre.0) / self.size, (y - self.centre.1) / self.size);
        let (sine, cosine) = self.turn;
        (cosine * x + sine * y, cosine * y - sine * x)
    }

    /// Whether it ends within 1.7 of its centre, so that the rest of the canvas need not be looked at.
    fn bounded(&self) -> bool {
        !matches!(self.kind, Kind::StraightEdge | Kind::Corner) && self.size < 1.0
    }

    fn distance(&self, x: f32, y: f32) -> f32 {
        match self.kind {
            Kind::StraightEdge => x,
            Kind::Corner => x.max(y),
            Kind::Circle => length(x, y) - 0.9,
            Kind::Ring => (length(x, y) - 0.8).abs() - 0.17,
            Kind::Cross => rectangle(x, y, 1.0, 0.26).min(rectangle(x, y, 0.26, 1.0)),
            Kind::Curve => ((length(x, y + 0.7) - 1.2).abs() - 0.11).max(-y - 0.35),
            Kind::Blob => self.blob(x, y),
            Kind::Branches => self.segments.iter().map(|part| stroke(x, y, part)).fold(f32::MAX, f32::min),
            Kind::Spokes => self.wheel(x, y),
            Kind::Eyes => length(x.abs() - 0.55, y) - 0.4,
            Kind::Triangle => (x.abs() * 0.866 + y * 0.5).max(-y) - 0.5,
            Kind::Box => rectangle(x, y, 0.9, 0.65),
        }
    }

    fn blob(&self, x: f32, y: f32) -> f32 {
        let angle = y.atan2(x);
        let edge = 0.16 * (2.0 * angle + self.phases[0]).sin() + 0.13 * (3.0 * angle + self.phases[1]).sin();
        0.7 * (length(x, y) - 0.8 - edge)
    }

    fn wheel(&self, x: f32, y: f32) -> f32 {
        let radius = length(x, y);
        let step = TAU / self.count;
        let angle = (y.atan2(x) / step).fract().abs();
        let aside = angle.min(1.0 - angle) * step;
        let spoke = (radius * aside.min(1.57).sin() - 0.07).max(radius - 0.9);
        spoke.min((radius - 0.9).abs() - 0.1).min(radius - 0.16)
    }
}

fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

fn rectangle(x: f32, y: f32, half_width: f32, half_height: f32) -> f32 {
    (x.abs() - half_width).max(y.abs() - half_height)
}

fn stroke(x: f32, y: f32, part: &Segment) -> f32 {
    let (from_x, from_y, along_x, along_y) = (part[0], part[1], part[2] - part[0], part[3] - part[1]);
    let squared = (along_x * along_x + along_y * along_y).max(1e-6);
    let share = (((x - from_x) * along_x + (y - from_y) * along_y) / squared).clamp(0.0, 1.0);
    length(x - from_x - share * along_x, y - from_y - share * along_y) - 0.09 + 0.04 * share
}

/// Two beams that leave one root, each with twigs: an antler, or a bare tree.
fn branches(random: &mut ChaCha8Rng) -> Vec<Segment> {
    let mut parts = Vec::new();
    for side in [-1.0_f32, 1.0] {
        let (tip_x, tip_y) = (side * random.random_range(0.45..0.9), random.random_range(-1.0..-0.7));
        parts.push([0.0, 0.9, tip_x, tip_y]);
        for twig in 1..=random.random_range(2..4) {
            let share = 0.25 * twig as f32 + random.random_range(-0.05..0.1);
            let (x, y) = (share * tip_x, 0.9 + share * (tip_y - 0.9));
            let out = side * random.random_range(0.3..0.65) * if twig % 2 == 0 { -0.7 } else { 1.0 };
            parts.push([x, y, x + out, y - random.random_range(0.2..0.5)]);
        }
    }
    parts
}
