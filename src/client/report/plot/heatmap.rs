//! A confusion matrix: shares of each row as depth of colour, forgotten classes framed.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Area, Drawn, ink, shortened, svg};
use super::palette::{HEAT, INK, MARK};

const SIDE: u32 = 520;
/// Room for the names of the rows and, above, of the columns.
const MARGIN: i32 = 84;
/// With more classes there is no room for numbers, with many more none for names.
const MAX_NUMBERED: usize = 14;
const MAX_NAMED: usize = 40;
/// The deepest cell still lets ink be read on it.
const DEPTH: f64 = 0.78;

#[derive(Debug)]
pub(in crate::client::report) struct Heatmap<'a> {
    pub(in crate::client::report) names: Vec<String>,
    /// Row by row, as many rows as names.
    pub(in crate::client::report) counts: &'a [i64],
    /// Indices of the classes to frame.
    pub(in crate::client::report) marked: Vec<usize>,
}

impl Heatmap<'_> {
    pub(in crate::client::report) fn svg(&self) -> String {
        svg((SIDE, SIDE), |area| self.draw(area))
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        let classes = self.names.len();
        for row in 0..classes {
            let counts = &self.counts[row * classes..(row + 1) * classes];
            let total: i64 = counts.iter().sum();
            for (column, count) in counts.iter().enumerate() {
                let share = if total > 0 { *count as f64 / total as f64 } else { 0.0 };
                self.draw_cell(area, row, column, share)?;
            }
        }
        self.draw_names(area)?;
        self.marked.iter().try_for_each(|class| self.draw_frame(area, *class))
    }

    /// Left or upper edge of a row or column, in pixels.
    fn edge(&self, index: usize) -> i32 {
        let room = f64::from(SIDE as i32 - MARGIN - 4);
        MARGIN + (room * index as f64 / self.names.len() as f64).round() as i32
    }

    fn centre(&self, index: usize) -> i32 {
        i32::midpoint(self.edge(index), self.edge(index + 1))
    }

    fn draw_cell(&self, area: &Area<'_>, row: usize, column: usize, share: f64) -> Drawn {
        let corners = [(self.edge(column), self.edge(row)), (self.edge(column + 1), self.edge(row + 1))];
        let depth = 0.03 + (DEPTH - 0.03) * share;
        area.draw(&Rectangle::new(corners, HEAT.rgb().mix(depth).filled()))?;
        if share >= 0.005 && self.names.len() <= MAX_NUMBERED {
            let style = ink(12.0, HPos::Center, VPos::Center);
            let text = format!("{:.0}", 100.0 * share);
            area.draw(&Text::new(text, (self.centre(column), self.centre(row)), style))?;
        }
        Ok(())
    }

    fn draw_names(&self, area: &Area<'_>) -> Drawn {
        if self.names.len() > MAX_NAMED {
            return Ok(());
        }
        let size = if self.names.len() <= MAX_NUMBERED { 12.0 } else { 9.0 };
        for (index, name) in self.names.iter().enumerate() {
            let (name, centre) = (shortened(name, 12), self.centre(index));
            area.draw(&Text::new(name.clone(), (MARGIN - 6, centre), ink(size, HPos::Right, VPos::Center)))?;
            let upright = ink(size, HPos::Left, VPos::Center).transform(FontTransform::Rotate270);
            area.draw(&Text::new(name, (centre, MARGIN - 6), upright))?;
        }
        Ok(())
    }

    /// Around the row of a class.
    fn draw_frame(&self, area: &Area<'_>, class: usize) -> Drawn {
        if class >= self.names.len() {
            return Ok(());
        }
        let corners = [(MARGIN, self.edge(class)), (self.edge(self.names.len()), self.edge(class + 1))];
        area.draw(&Rectangle::new(corners, MARK.rgb().stroke_width(2)))?;
        let line = [(MARGIN, MARGIN), (self.edge(self.names.len()), MARGIN)];
        Ok(area.draw(&PathElement::new(line, INK.mix(0.3)))?)
    }
}
