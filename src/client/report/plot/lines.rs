//! Curves over one axis: training curves, ROC.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Area, Drawn, ink, svg};
use super::palette::{Colour, INK};

const SIZE: (u32, u32) = (520, 320);
const SQUARE: (u32, u32) = (520, 400);
/// More points than this cannot be seen.
const MAX_POINTS: usize = 400;

#[derive(Debug, Clone)]
pub(in crate::client::report) struct Series {
    pub(in crate::client::report) name: String,
    pub(in crate::client::report) colour: Colour,
    pub(in crate::client::report) points: Vec<(f64, f64)>,
}

impl Series {
    /// Means of neighbouring points, at most [`MAX_POINTS`].
    pub(in crate::client::report) fn thinned(mut self) -> Self {
        let width = self.points.len().div_ceil(MAX_POINTS).max(1);
        self.points = self.points.chunks(width).map(mean).collect();
        self
    }
}

fn mean(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    (x / count, y / count)
}

/// Axes start at 0.
#[derive(Debug)]
pub(in crate::client::report) struct Lines {
    pub(in crate::client::report) series: Vec<Series>,
    pub(in crate::client::report) x_name: &'static str,
    pub(in crate::client::report) y_name: &'static str,
    /// None: as far as the data goes.
    pub(in crate::client::report) x_end: Option<f64>,
    pub(in crate::client::report) y_end: f64,
    /// The line of chance, on a square plot.
    pub(in crate::client::report) diagonal: bool,
}

impl Lines {
    pub(in crate::client::report) fn svg(&self) -> String {
        svg(if self.diagonal { SQUARE } else { SIZE }, |area| self.draw(area))
    }

    fn x_end(&self) -> f64 {
        let last = self.series.iter().flat_map(|series| &series.points).map(|point| point.0).fold(0.0, f64::max);
        self.x_end.unwrap_or(last).max(f64::MIN_POSITIVE)
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        let (x_end, y_end) = (self.x_end(), if self.y_end > 0.0 { self.y_end } else { 1.0 });
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_right(16)
            .x_label_area_size(40)
            .y_label_area_size(if self.y_name.is_empty() { 40 } else { 56 })
            .build_cartesian_2d(0.0..x_end, 0.0..y_end)?;
        let decimals = if x_end > 20.0 { 0 } else { 1 };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.15))
            .axis_style(INK.mix(0.5))
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|value| format!("{value:.decimals$}"))
            .y_label_formatter(&|value| format!("{value:.2}"))
            .label_style(ink(13.0, HPos::Center, VPos::Top))
            .axis_desc_style(ink(13.0, HPos::Center, VPos::Top))
            .x_desc(self.x_name)
            .y_desc(self.y_name)
            .draw()?;
        if self.diagonal {
            chart.draw_series(LineSeries::new([(0.0, 0.0), (1.0, 1.0)], INK.mix(0.35)))?;
        }
        for series in &self.series {
            let style = series.colour.rgb().stroke_width(2);
            chart.draw_series(LineSeries::new(series.points.iter().copied(), style))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::report::plot::palette::VERSIONS;

    #[test]
    fn thinning_keeps_the_mean() {
        let points = (0..1000).map(|step| (f64::from(step), 2.0)).collect();
        let thinned = Series { name: String::new(), colour: VERSIONS[0], points }.thinned();
        assert!(thinned.points.len() <= MAX_POINTS);
        assert!(thinned.points.iter().all(|point| point.1 == 2.0));
    }
}
