//! Plots as inline SVG. Ink is the page's text colour, so that every plot reads in light and dark.

mod bars;
mod canvas;
mod heatmap;
mod lines;
pub(super) mod palette;
mod signed;

pub(super) use bars::Bars;
pub(super) use heatmap::Heatmap;
pub(super) use lines::{Lines, Series};
pub(super) use signed::SignedBars;
