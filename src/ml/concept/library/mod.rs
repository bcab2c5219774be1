//! The built-in library of concepts: rendered examples of colours, tones, textures, shapes, scenes and placements.
//!
//! Nothing is shipped as files: every image is drawn from (seed, concept, side, index). Positives and negatives of a concept
//! come from the same generator of backgrounds, clutter, objects and wear; they differ in the attribute alone, so a vector
//! learnt between them is about the attribute. Concepts of colour mean little to a model of one channel.

pub mod attributes;
mod backdrop;
mod canvas;
mod catalogue;
mod colour;
mod colours;
mod examples;
mod form;
mod noise;
mod placement;
mod scenes;
mod shapes;
#[cfg(test)]
mod tests;
mod textures;
mod tones;

pub use catalogue::{names, resolve};
pub use examples::{RenderedExamples, check_shape};

use crate::domain::dataset::ImageShape;
use crate::ml::random::{Purpose, stream};
use canvas::Canvas;

/// Image `index` of the side of a concept, as bytes of the shape (1 or 3 channels). An unknown name draws a bare scene.
pub fn render(name: &str, positive: bool, index: usize, seed: u64, shape: ImageShape) -> Vec<u8> {
    let mut random = stream(stream_seed(seed, name, positive), Purpose::ConceptLibrary, index as u64);
    let mut canvas = Canvas::new(shape);
    match catalogue::subject(name) {
        Some(subject) => subject.draw(&mut canvas, &mut random, positive),
        None => {
            backdrop::backdrop(&mut canvas, &mut random);
        }
    }
    canvas.bytes(shape.channels)
}

/// Mixes the name and the side into the seed (FNV-1a), so that a concept's images do not depend on which others are asked for.
fn stream_seed(seed: u64, name: &str, positive: bool) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().chain([u8::from(positive)]).fold(seed ^ 0xcbf2_9ce4_8422_2325, fold)
}
