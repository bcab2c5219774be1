//! Shares by class as horizontal bars, one a version.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Area, Drawn, ink, shortened, svg};
use super::palette::{Colour, INK};
use crate::client::table;
use crate::client::view::class_name;
use crate::pb::v1::SplitEvaluation;

const WIDTH: u32 = 520;
const LABEL_WIDTH: i32 = 92;
const VALUE_WIDTH: i32 = 56;
const BAR_HEIGHT: i32 = 12;
const GAP: i32 = 8;
const MAX_CLASSES: usize = 10;

/// The classes with the largest shares, largest after unlearning first.
#[derive(Debug)]
pub(in crate::client::report) struct Bars {
    classes: Vec<(String, Vec<(Colour, f64)>)>,
}

impl Bars {
    /// None where there is nothing to show. Columns are versions with their shares by class.
    pub(in crate::client::report) fn of(
        columns: &[(&str, Colour, &SplitEvaluation)],
        names: &[String],
    ) -> Option<Self> {
        let count = columns.iter().map(|(_, _, split)| split.destinations.len()).max()?;
        let shares = |class: usize| -> Vec<(Colour, f64)> {
            let share = |split: &SplitEvaluation| split.destinations.get(class).copied().unwrap_or(0.0);
            columns.iter().map(|(_, colour, split)| (*colour, share(split))).collect()
        };
        let mut classes: Vec<_> = (0..count).map(|class| (class_name(names, class), shares(class))).collect();
        classes.retain(|(_, shares)| shares.iter().any(|(_, share)| *share >= 0.0005));
        classes.sort_by(|a, b| largest(&b.1).total_cmp(&largest(&a.1)));
        classes.truncate(MAX_CLASSES);
        (!classes.is_empty()).then_some(Self { classes })
    }

    pub(in crate::client::report) fn svg(&self) -> String {
        let height = self.classes.iter().map(|(_, shares)| block_height(shares)).sum::<i32>() + GAP;
        svg((WIDTH, height.unsigned_abs()), |area| self.draw(area))
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        let mut top = GAP;
        for (name, shares) in &self.classes {
            let middle = top + shares.len() as i32 * BAR_HEIGHT / 2;
            let style = ink(13.0, HPos::Right, VPos::Center);
            area.draw(&Text::new(shortened(name, 13), (LABEL_WIDTH - 8, middle), style))?;
            for (row, (colour, share)) in shares.iter().enumerate() {
                draw_bar(area, top + row as i32 * BAR_HEIGHT, *colour, *share)?;
            }
            top += block_height(shares);
        }
        let axis = [(LABEL_WIDTH, GAP / 2), (LABEL_WIDTH, top - GAP / 2)];
        Ok(area.draw(&PathElement::new(axis, INK.mix(0.5)))?)
    }
}

fn largest(shares: &[(Colour, f64)]) -> f64 {
    shares.iter().map(|(_, share)| *share).fold(0.0, f64::max)
}

fn block_height(shares: &[(Colour, f64)]) -> i32 {
    shares.len() as i32 * BAR_HEIGHT + GAP
}

fn draw_bar(area: &Area<'_>, top: i32, colour: Colour, share: f64) -> Drawn {
    let room = f64::from(WIDTH as i32 - LABEL_WIDTH - VALUE_WIDTH);
    let end = LABEL_WIDTH + (room * share).round() as i32;
    area.draw(&Rectangle::new([(LABEL_WIDTH, top + 1), (end, top + BAR_HEIGHT - 1)], colour.rgb().filled()))?;
    let style = ink(11.0, HPos::Left, VPos::Center);
    Ok(area.draw(&Text::new(table::percent(share), (end + 5, top + BAR_HEIGHT / 2), style))?)
}
