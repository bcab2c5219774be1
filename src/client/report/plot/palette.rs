//! Colours that can be told apart on white and on near-black.

use plotters::style::RGBColor;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client::report) struct Colour(pub(super) u8, pub(super) u8, pub(super) u8);

const GREY: Colour = Colour(0x8a, 0x93, 0xa0);
const BLUE: Colour = Colour(0x2f, 0x80, 0xed);
const ORANGE: Colour = Colour(0xe0, 0x7b, 0x1f);
const RED: Colour = Colour(0xd6, 0x45, 0x45);
const GREEN: Colour = Colour(0x1f, 0x9e, 0x6e);

/// Before, after, reference: the same in every figure.
pub(in crate::client::report) const VERSIONS: [Colour; 3] = [GREY, BLUE, ORANGE];

/// What speaks for a class and what against it: the colours of heat maps.
pub(in crate::client::report) const FOR: Colour = RED;
pub(in crate::client::report) const AGAINST: Colour = BLUE;

pub(super) const HEAT: Colour = BLUE;
pub(super) const MARK: Colour = ORANGE;

/// Stands for the page's text colour; see `canvas`.
pub(super) const INK: RGBColor = RGBColor(1, 2, 3);
pub(super) const INK_CODE: &str = "#010203";

/// Of a training curve, by the samples it is about.
pub(in crate::client::report) fn of_subset(metric: &str) -> Colour {
    match metric.split('.').next() {
        Some("forget") => ORANGE,
        Some("retain") => GREEN,
        Some("train") => BLUE,
        _ => GREY,
    }
}

impl Colour {
    pub(super) fn rgb(self) -> RGBColor {
        RGBColor(self.0, self.1, self.2)
    }

    pub(in crate::client::report) fn css(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}
