//! The tables of a report.

use maud::{Markup, html};

use crate::client::table;
use crate::client::view::{COMPARE_HEADERS, CompareView, Figures, PlanView, ProvenanceView, SpecView};

pub(super) fn comparison(compared: &CompareView) -> Markup {
    html! {
        div .scroll { table .figures {
            thead { tr { @for header in COMPARE_HEADERS { th { (header) } } } }
            tbody { @for row in &compared.rows { tr {
                @for (column, cell) in row.cells().iter().enumerate() {
                    @if column == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                }
            } } }
        } }
    }
}

/// Columns of figures side by side; rows without any value are left out.
pub(super) fn figures(columns: &[(&str, &Figures)]) -> Markup {
    let rows = rows(columns);
    html! {
        div .scroll { table .figures {
            thead { tr { th {} @for (name, _) in columns { th { (name) } } } }
            tbody { @for (name, values) in &rows { tr {
                th scope="row" { (name) }
                @for value in values { td { (value) } }
            } } }
        } }
        p .note { "In brackets: 95 % intervals (Wilson for accuracies, bootstrap for the AUC)." }
    }
}

fn rows(columns: &[(&str, &Figures)]) -> Vec<(&'static str, Vec<String>)> {
    let columns: Vec<_> = columns.iter().map(|(_, figures)| figures.rows()).collect();
    let count = columns.first().map_or(0, Vec::len);
    let row = |index: usize| {
        let values: Vec<String> = columns.iter().map(|column| column[index].1.clone()).collect();
        (columns[0][index].0, values)
    };
    (0..count).map(row).filter(|(_, values)| values.iter().any(|value| value != table::ABSENT)).collect()
}

/// The plan: counts, new labels, donors with reasons and rivals.
pub(super) fn plan(plan: &PlanView) -> Markup {
    html! {
        dl {
            dt { "Forget set" } dd { (counts(&plan.forget_counts)) }
            dt { "Poisoned" } dd { (plan.poisoned_count) }
            dt { "Retained" } dd { (plan.retain_count) }
            dt { "New labels" } dd { (counts(&plan.label_histogram)) }
            @if let Some(mode) = plan.image_mode { dt { "Images" } dd { (mode) } }
            @for donor in &plan.donors {
                dt { "Donor of " (donor.class) }
                dd {
                    strong { (donor.donor) } " (" (donor.rule) ")"
                    @if !donor.reason.is_empty() { ": " (donor.reason) }
                    @if !donor.candidates.is_empty() {
                        br;
                        span .note {
                            "Candidates: "
                            @for (index, rival) in donor.candidates.iter().take(5).enumerate() {
                                @if index > 0 { ", " } (rival.class) " " (format!("{:.4}", rival.score))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn counts(counts: &[crate::client::view::Count]) -> String {
    let parts: Vec<String> = counts.iter().map(|count| format!("{} ({})", count.class, count.count)).collect();
    parts.join(", ")
}

pub(super) fn spec(spec: &SpecView) -> Markup {
    html! {
        dl { @for (name, value) in spec.rows() { @if !value.is_empty() { dt { (name) } dd { (value) } } } }
    }
}

pub(super) fn provenance(provenance: &ProvenanceView) -> Markup {
    html! {
        dl .hashes {
            dt { "Weights" } dd { (provenance.model_hash) }
            @for hash in &provenance.data_hashes { dt { "Data" } dd { (hash) } }
            dt { "Request" } dd { (provenance.config_hash) }
            dt { "Seed" } dd { (provenance.seed) }
            dt { "Code" } dd { (provenance.code_version) }
        }
    }
}
