//! A canvas in linear steps of [0, 1], painted with antialiased coverage and read out as bytes.
//!
//! Positions are fractions of the width and the height, so that a scene looks the same at every size.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::colour::{Colour, luma, mix};
use crate::domain::dataset::ImageShape;

#[derive(Debug)]
pub(super) struct Canvas {
    height: usize,
    width: usize,
    pixels: Vec<Colour>,
}

impl Canvas {
    pub(super) fn new(shape: ImageShape) -> Self {
        let (height, width) = (shape.height as usize, shape.width as usize);
        Self { height, width, pixels: vec![[0.5; 3]; height * width] }
    }

    /// Width of a pixel: what an edge is blurred over.
    pub(super) fn pixel(&self) -> f32 {
        1.0 / self.height.min(self.width).max(1) as f32
    }

    /// Replaces every pixel by a function of its position and its colour.
    pub(super) fn map(&mut self, mut change: impl FnMut(f32, f32, Colour) -> Colour) {
        let (width, across, down) = (self.width.max(1), 1.0 / self.width as f32, 1.0 / self.height as f32);
        for (row, line) in self.pixels.chunks_exact_mut(width).enumerate() {
            let y = (row as f32 + 0.5) * down;
            for (column, pixel) in line.iter_mut().enumerate() {
                *pixel = change((column as f32 + 0.5) * across, y, *pixel);
            }
        }
    }

    /// Lays `colour` over the canvas where `coverage` is above 0.
    pub(super) fn paint(&mut self, coverage: impl Fn(f32, f32) -> f32, colour: impl Fn(f32, f32) -> Colour) {
        self.map(|x, y, below| match coverage(x, y) {
            share if share <= 0.0 => below,
            share => mix(below, colour(x, y), share.min(1.0)),
        });
    }

    /// Noise of a camera: independent a pixel and a channel, of triangular distribution, at most `strength`.
    pub(super) fn grain(&mut self, random: &mut ChaCha8Rng, strength: f32) {
        for pixel in &mut self.pixels {
            let bits: u64 = random.random();
            for (channel, value) in pixel.iter_mut().enumerate() {
                let byte = |place: usize| ((bits >> (8 * place)) & 255) as f32 / 255.0;
                *value += strength * (byte(2 * channel) - byte(2 * channel + 1));
            }
        }
    }

    /// NHWC bytes; one channel is the luma.
    pub(super) fn bytes(&self, channels: u32) -> Vec<u8> {
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        if channels == 1 {
            return self.pixels.iter().map(|&pixel| byte(luma(pixel))).collect();
        }
        self.pixels.iter().flat_map(|pixel| pixel.map(byte)).collect()
    }
}
