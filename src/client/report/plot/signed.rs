//! Signed figures as horizontal bars on both sides of zero.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Area, Drawn, ink, shortened, svg};
use super::palette::{AGAINST, FOR, INK};

const WIDTH: u32 = 520;
const LABEL_WIDTH: i32 = 130;
/// Room for a value beyond the longest bar on either side.
const VALUE_WIDTH: i32 = 52;
const BAR_HEIGHT: i32 = 16;
const GAP: i32 = 8;

/// In the order given.
#[derive(Debug)]
pub(in crate::client::report) struct SignedBars {
    bars: Vec<(String, f64)>,
    /// Where zero is, and pixels a unit.
    zero: i32,
    scale: f64,
}

impl SignedBars {
    /// None where there is nothing to show.
    pub(in crate::client::report) fn of(bars: Vec<(String, f64)>) -> Option<Self> {
        let lowest = bars.iter().map(|(_, value)| *value).fold(0.0, f64::min);
        let highest = bars.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        let span = highest - lowest;
        if !(span > 0.0 && span.is_finite()) {
            return None;
        }
        let left = LABEL_WIDTH + if lowest < 0.0 { VALUE_WIDTH } else { 0 };
        let scale = f64::from(WIDTH as i32 - left - VALUE_WIDTH) / span;
        Some(Self { bars, zero: left + (-lowest * scale).round() as i32, scale })
    }

    pub(in crate::client::report) fn svg(&self) -> String {
        let height = self.bars.len() as i32 * (BAR_HEIGHT + GAP) + GAP;
        svg((WIDTH, height.unsigned_abs()), |area| self.draw(area))
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        let top_of = |row: usize| GAP + row as i32 * (BAR_HEIGHT + GAP);
        for (row, (name, value)) in self.bars.iter().enumerate() {
            self.draw_bar(area, top_of(row), name, *value)?;
        }
        let axis = [(self.zero, GAP / 2), (self.zero, top_of(self.bars.len()) - GAP / 2)];
        Ok(area.draw(&PathElement::new(axis, INK.mix(0.5)))?)
    }

    fn draw_bar(&self, area: &Area<'_>, top: i32, name: &str, value: f64) -> Drawn {
        let middle = top + BAR_HEIGHT / 2;
        let label = ink(13.0, HPos::Right, VPos::Center);
        area.draw(&Text::new(shortened(name, 18), (LABEL_WIDTH - 8, middle), label))?;
        let end = self.zero + (value * self.scale).round() as i32;
        let (colour, side, beyond) = if value < 0.0 { (AGAINST, HPos::Right, -5) } else { (FOR, HPos::Left, 5) };
        let corners = [(self.zero.min(end), top), (self.zero.max(end), top + BAR_HEIGHT)];
        area.draw(&Rectangle::new(corners, colour.rgb().filled()))?;
        let figure = ink(11.0, side, VPos::Center);
        Ok(area.draw(&Text::new(format!("{value:+.2}"), (end + beyond, middle), figure))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_of_both_signs_stay_between_names_and_edge() {
        let bars = SignedBars::of(vec![("brown".into(), 2.0), ("striped".into(), -1.0)]).unwrap();
        let [longest, shortest] = [2.0, -1.0].map(|value| bars.zero + (value * bars.scale).round() as i32);
        assert!(longest + VALUE_WIDTH <= WIDTH as i32 && shortest - VALUE_WIDTH >= LABEL_WIDTH);
        assert!(bars.svg().contains("+2.00") && bars.svg().contains("-1.00"));
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(SignedBars::of(Vec::new()).is_none());
        assert!(SignedBars::of(vec![("brown".into(), 0.0)]).is_none());
        assert!(SignedBars::of(vec![("brown".into(), f64::NAN)]).is_none());
    }
}
