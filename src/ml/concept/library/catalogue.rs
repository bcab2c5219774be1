//! The concepts by name, in their order, and the check of names that a caller gives.

use rand_chacha::ChaCha8Rng;

use super::canvas::Canvas;
use super::colour::{NAMED, NamedColour};
use super::form::Kind;
use super::placement::{self, Place};
use super::scenes::{self, Scene};
use super::textures::{self, Texture};
use super::tones::{self, Tone};
use super::{colours, shapes};
use crate::domain::error::{Error, Result};

/// What a concept draws.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject {
    Colour(&'static NamedColour),
    Tone(Tone),
    Texture(Texture),
    Shape(Kind),
    Scene(Scene),
    Place(Place),
}

impl Subject {
    pub(super) fn draw(self, canvas: &mut Canvas, random: &mut ChaCha8Rng, positive: bool) {
        match self {
            Self::Colour(colour) => colours::draw(canvas, random, colour, positive),
            Self::Tone(tone) => tones::draw(canvas, random, tone, positive),
            Self::Texture(texture) => textures::draw(canvas, random, texture, positive),
            Self::Shape(kind) => shapes::draw(canvas, random, kind, positive),
            Self::Scene(scene) => scenes::draw(canvas, random, scene, positive),
            Self::Place(place) => placement::draw(canvas, random, place, positive),
        }
    }
}

/// The concepts after the colours.
const OTHERS: [(&str, Subject); 44] = [
    ("dark", Subject::Tone(Tone::Dark)),
    ("bright", Subject::Tone(Tone::Bright)),
    ("vivid", Subject::Tone(Tone::Vivid)),
    ("pale", Subject::Tone(Tone::Pale)),
    ("high-contrast", Subject::Tone(Tone::HighContrast)),
    ("low-contrast", Subject::Tone(Tone::LowContrast)),
    ("horizontal-stripes", Subject::Texture(Texture::HorizontalStripes)),
    ("vertical-stripes", Subject::Texture(Texture::VerticalStripes)),
    ("diagonal-stripes", Subject::Texture(Texture::DiagonalStripes)),
    ("checkerboard", Subject::Texture(Texture::Checkerboard)),
    ("dots", Subject::Texture(Texture::Dots)),
    ("grain", Subject::Texture(Texture::Grain)),
    ("smooth", Subject::Texture(Texture::Smooth)),
    ("grid", Subject::Texture(Texture::Grid)),
    ("woven", Subject::Texture(Texture::Woven)),
    ("scales", Subject::Texture(Texture::Scales)),
    ("fur", Subject::Texture(Texture::Fur)),
    ("straight-edge", Subject::Shape(Kind::StraightEdge)),
    ("corner", Subject::Shape(Kind::Corner)),
    ("circle", Subject::Shape(Kind::Circle)),
    ("ring", Subject::Shape(Kind::Ring)),
    ("cross", Subject::Shape(Kind::Cross)),
    ("curve", Subject::Shape(Kind::Curve)),
    ("blob", Subject::Shape(Kind::Blob)),
    ("branches", Subject::Shape(Kind::Branches)),
    ("spokes", Subject::Shape(Kind::Spokes)),
    ("eyes", Subject::Shape(Kind::Eyes)),
    ("triangle", Subject::Shape(Kind::Triangle)),
    ("box", Subject::Shape(Kind::Box)),
    ("sky", Subject::Scene(Scene::Sky)),
    ("ground", Subject::Scene(Scene::Ground)),
    ("water", Subject::Scene(Scene::Water)),
    ("foliage", Subject::Scene(Scene::Foliage)),
    ("vignette", Subject::Scene(Scene::Vignette)),
    ("horizon", Subject::Scene(Scene::Horizon)),
    ("vertical-split", Subject::Scene(Scene::VerticalSplit)),
    ("framed", Subject::Scene(Scene::Framed)),
    ("left", Subject::Place(Place::Left)),
    ("right", Subject::Place(Place::Right)),
    ("top", Subject::Place(Place::Top)),
    ("bottom", Subject::Place(Place::Bottom)),
    ("centre", Subject::Place(Place::Centre)),
    ("large", Subject::Place(Place::Large)),
    ("small", Subject::Place(Place::Small)),
];

fn subjects() -> impl Iterator<Item = (&'static str, Subject)> {
    NAMED.iter().map(|colour| (colour.name, Subject::Colour(colour))).chain(OTHERS)
}

pub(super) fn subject(name: &str) -> Option<Subject> {
    subjects().find(|(known, _)| *known == name).map(|(_, subject)| subject)
}

/// Every concept of the library, in the library's order.
pub fn names() -> Vec<&'static str> {
    subjects().map(|(name, _)| name).collect()
}

/// The concepts named, in the order given; all when none is.
pub fn resolve(names: &[String]) -> Result<Vec<&'static str>> {
    let known = self::names();
    if names.is_empty() {
        return Ok(known);
    }
    names.iter().enumerate().map(|(index, name)| find(&known, index, name)).collect()
}

fn find(known: &[&'static str], index: usize, name: &str) -> Result<&'static str> {
    known.iter().find(|candidate| **candidate == name).copied().ok_or_else(|| unknown(known, index, name))
}

fn unknown(known: &[&'static str], index: usize, name: &str) -> Error {
    let near: Vec<_> = known.iter().copied().filter(|candidate| alike(candidate, name)).collect();
    let remedy = match near.is_empty() {
        true => format!("the library has {}", known.join(", ")),
        false => format!("did you mean {}?", near.join(", ")),
    };
    let description = format!("the library has no concept `{name}`; {remedy}");
    Error::invalid("UNKNOWN_CONCEPT", format!("concepts[{index}]"), description)
}

/// One contains the other, or they share their first three letters, whatever the case.
fn alike(known: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    let start = name.chars().take(3).collect::<String>();
    start.len() >= 3 && (known.contains(&name) || name.contains(known) || known.starts_with(&start))
}
