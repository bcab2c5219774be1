//! Tables and figures for people.

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};

pub(crate) const ABSENT: &str = "–";

/// An empty table: bold header on a terminal, no lines, as wide as its content.
pub(crate) fn new(headers: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headers.iter().map(|header| Cell::new(header).add_attribute(Attribute::Bold)));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// The same with every column but the first aligned to the right.
pub(crate) fn of_figures(headers: &[&str]) -> Table {
    let mut table = new(headers);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The table's text without the blanks that end its lines.
pub(crate) fn text(table: &Table) -> String {
    table.to_string().lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Name and value, a pair a line.
pub(crate) fn pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let shown = rows.iter().filter(|(_, value)| !value.is_empty());
    shown.map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// `97.5 % [96.9, 98.0]`
pub(crate) fn percent_within(value: f64, low: f64, high: f64) -> String {
    format!("{:.1} % [{:.1}, {:.1}]", 100.0 * value, 100.0 * low, 100.0 * high)
}

pub(crate) fn optional(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| ABSENT.to_owned(), show)
}

pub(crate) fn seconds(value: f64) -> String {
    match value {
        _ if value < 10.0 => format!("{value:.2} s"),
        _ if value < 120.0 => format!("{value:.1} s"),
        _ => format!("{} min {:02.0} s", (value / 60.0).floor(), value % 60.0),
    }
}

pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `2026-01-31T12:00:00.000Z` → `2026-01-31 12:00:00`
pub(crate) fn time(rfc3339: Option<&str>) -> String {
    rfc3339.map_or_else(|| ABSENT.to_owned(), |time| time.replace('T', " ").chars().take(19).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_have_units() {
        assert_eq!(percent(0.9754), "97.5 %");
        assert_eq!(percent_within(0.5, 0.25, 0.75), "50.0 % [25.0, 75.0]");
        assert_eq!(seconds(1.234), "1.23 s");
        assert_eq!(seconds(125.0), "2 min 05 s");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(3 << 20), "3.0 MiB");
        assert_eq!(time(Some("2026-01-31T12:00:00.123Z")), "2026-01-31 12:00:00");
    }
}
