//! A PNG as coloured half blocks, two pixels a character, for terminals.

use std::fmt::Write as _;

/// Small images are shown larger, large ones reduced to so many columns.
const COLUMNS: std::ops::RangeInclusive<usize> = 24..=48;
const UPPER_HALF: char = '▀';

type Colour = [u8; 3];

/// Rows of colours, transparency ignored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<Colour>,
}

impl Picture {
    /// None where the bytes are no PNG that can be shown.
    pub(crate) fn decode(encoded: &[u8]) -> Option<Self> {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(encoded));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().ok()?;
        let mut bytes = vec![0; reader.output_buffer_size()?];
        let info = reader.next_frame(&mut bytes).ok()?;
        let samples = info.color_type.samples();
        let pixels = bytes[..info.buffer_size()].chunks_exact(samples).map(colour).collect();
        Some(Self { width: info.width as usize, height: info.height as usize, pixels })
    }

    /// Lines of text.
    pub(crate) fn text(&self) -> String {
        let columns = self.width.clamp(*COLUMNS.start(), *COLUMNS.end());
        let lines = (self.height * columns / self.width).div_ceil(2).max(1);
        let mut text = String::new();
        for line in 0..lines {
            for column in 0..columns {
                let [upper, lower] = [0, 1].map(|half| self.mean((column, columns), (2 * line + half, 2 * lines)));
                let block = console::style(UPPER_HALF).true_color(upper[0], upper[1], upper[2]);
                let _ = write!(text, "{}", block.on_true_color(lower[0], lower[1], lower[2]));
            }
            text.push('\n');
        }
        text
    }

    /// The mean colour of one cell of a grid over the picture.
    fn mean(&self, (column, columns): (usize, usize), (row, rows): (usize, usize)) -> Colour {
        let (across, down) = (span(column, columns, self.width), span(row, rows, self.height));
        let count = across.len() * down.len();
        let mut sum = [0; 3];
        for y in down {
            for pixel in &self.pixels[y * self.width..][across.clone()] {
                sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += usize::from(*value));
            }
        }
        sum.map(|sum| (sum / count) as u8)
    }
}

/// Pixels under a cell: at least one.
fn span(cell: usize, cells: usize, pixels: usize) -> std::ops::Range<usize> {
    let start = cell * pixels / cells;
    start..((cell + 1) * pixels / cells).max(start + 1)
}

/// Grey, grey and alpha, red green blue, or the same with alpha.
fn colour(samples: &[u8]) -> Colour {
    match samples {
        [red, green, blue] | [red, green, blue, _] => [*red, *green, *blue],
        grey => [grey.first().copied().unwrap_or(0); 3],
    }
}

/// Texts of pictures next to each other.
pub(crate) fn beside(left: &str, right: &str) -> String {
    left.lines().zip(right.lines()).map(|(left, right)| format!("{left}  {right}\n")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A PNG of so many grey or coloured samples a pixel.
    pub(crate) fn encode(width: u32, height: u32, colour: png::ColorType, samples: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(colour);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(samples).unwrap();
        bytes
    }

    #[test]
    fn grey_and_coloured_images_are_read_and_other_bytes_are_not() {
        let grey = Picture::decode(&encode(2, 1, png::ColorType::Grayscale, &[0, 200])).unwrap();
        assert_eq!(grey.pixels, [[0; 3], [200; 3]]);
        let red = Picture::decode(&encode(1, 1, png::ColorType::Rgb, &[255, 0, 0])).unwrap();
        assert_eq!(red.pixels, [[255, 0, 0]]);
        assert_eq!(Picture::decode(b"no image"), None);
    }

    #[test]
    fn small_images_grow_and_large_ones_are_reduced() {
        let of = |width: usize, height: usize| Picture { width, height, pixels: vec![[9; 3]; width * height] };
        for (picture, columns, lines) in [(of(8, 8), 24, 12), (of(32, 32), 32, 16), (of(224, 112), 48, 12)] {
            let text = console::strip_ansi_codes(&picture.text()).into_owned();
            assert_eq!(text.lines().count(), lines);
            assert!(text.lines().all(|line| line.chars().count() == columns));
        }
    }

    #[test]
    fn a_cell_shows_the_mean_of_its_pixels() {
        let picture = Picture { width: 2, height: 2, pixels: vec![[0; 3], [100; 3], [100; 3], [200; 3]] };
        assert_eq!(picture.mean((0, 1), (0, 1)), [100; 3]);
        assert_eq!(picture.mean((3, 4), (3, 4)), [200; 3]);
    }
}
