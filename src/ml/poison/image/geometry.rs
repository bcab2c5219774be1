//! Rectangles in images, and the paper's sizes for images of any size.

use crate::domain::dataset::ImageShape;

/// Side of the images that the paper's sizes are for.
const REFERENCE_SIDE: u64 = 224;

/// Pixels `top..top + height` by `left..left + width`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

impl Rect {
    /// The whole image.
    pub fn whole(shape: ImageShape) -> Self {
        Self { top: 0, left: 0, height: shape.height as usize, width: shape.width as usize }
    }

    /// A centred rectangle of `side` / 224 of each side of the image, at least one pixel.
    pub(super) fn centred(side: u32, shape: ImageShape) -> Self {
        let (height, width) = scaled(side, shape);
        Self { top: (shape.height as usize - height) / 2, left: (shape.width as usize - width) / 2, height, width }
    }

    /// A rectangle of that size around a pixel, moved inside the image where it would stick out.
    pub(super) fn around((row, column): (usize, usize), side: u32, shape: ImageShape) -> Self {
        let (height, width) = scaled(side, shape);
        let top = row.saturating_sub(height / 2).min(shape.height as usize - height);
        let left = column.saturating_sub(width / 2).min(shape.width as usize - width);
        Self { top, left, height, width }
    }

    pub fn is_inside(&self, shape: ImageShape) -> bool {
        let fits = |start: usize, length: usize, side: u32| length > 0 && start + length <= side as usize;
        fits(self.top, self.height, shape.height) && fits(self.left, self.width, shape.width)
    }

    pub(super) fn is_as_large_as(&self, other: &Self) -> bool {
        (self.height, self.width) == (other.height, other.width)
    }
}

/// `side` of 224 pixels as (height, width) in an image of `shape`: rounded half up, at least 1, at most the image.
fn scaled(side: u32, shape: ImageShape) -> (usize, usize) {
    let of = |length: u32| {
        let scaled = (u64::from(side) * u64::from(length) * 2 + REFERENCE_SIDE) / (2 * REFERENCE_SIDE);
        scaled.clamp(1, u64::from(length.max(1))) as usize
    };
    (of(shape.height), of(shape.width))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn square(side: u32) -> ImageShape {
        ImageShape { height: side, width: side, channels: 3 }
    }

    #[test]
    fn sizes_are_the_papers_at_224_and_scale_with_the_image() {
        for (side, at_32) in [(64, 9), (96, 14), (160, 23)] {
            assert_eq!(scaled(side, square(224)), (side as usize, side as usize));
            assert_eq!(scaled(side, square(32)), (at_32, at_32));
            assert_eq!(scaled(side, square(1)), (1, 1));
        }
        assert_eq!(Rect::centred(96, square(224)), Rect { top: 64, left: 64, height: 96, width: 96 });
    }

    #[test]
    fn a_patch_at_a_corner_is_moved_inside() {
        assert_eq!(Rect::around((0, 223), 64, square(224)), Rect { top: 0, left: 160, height: 64, width: 64 });
        assert_eq!(Rect::around((100, 100), 64, square(224)), Rect { top: 68, left: 68, height: 64, width: 64 });
    }

    proptest! {
        #[test]
        fn rectangles_are_inside_whatever_the_size(
            height in 1_u32..300, width in 1_u32..300, side in 1_u32..=224, row: u16, column: u16,
        ) {
            let shape = ImageShape { height, width, channels: 1 };
            let pixel = (row as usize % height as usize, column as usize % width as usize);
            prop_assert!(Rect::centred(side, shape).is_inside(shape));
            prop_assert!(Rect::around(pixel, side, shape).is_inside(shape));
        }
    }
}
