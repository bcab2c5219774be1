//! What the forgotten classes owed to concepts, towards which donor that led, and what is left of it.

use maud::{Markup, PreEscaped, html};

use super::JobData;
use super::pictures::image;
use super::plot::{SignedBars, palette};
use crate::client::view::{ClassConceptsView, ConceptReportView, UnlearnView};
use crate::client::{names, table};

/// Nothing for a model without an embedding.
pub(super) fn concepts(job: &JobData, view: &UnlearnView) -> Markup {
    html! {
        @if let Some(report) = &view.concepts {
            h3 { "Concepts" }
            (introduction(report))
            @for class in &report.classes { (class_concepts(job, class)) }
        }
        @for residue in &view.concept_residue { p { (residue.text()) "." } }
        @if !view.concept_residue.is_empty() {
            p .note {
                "By a logistic probe on all concepts, on held-out samples; 0.5 means that the class cannot be told any more. "
                "Training the head alone leaves this as it was."
            }
        }
        (heat_maps(job))
    }
}

fn introduction(report: &ConceptReportView) -> Markup {
    if let Some(words) = &report.words {
        return html! {
            p .note { "Words that " (words.texts) " texts rest on, by " (names::short(&report.model_version)) "." }
        };
    }
    let bank = match names::id(&report.concept_bank) {
        "" => "of built-in concepts",
        id => id,
    };
    let shares = report.pcbm.as_ref().and_then(|pcbm| Some((pcbm.test.or(pcbm.train)?, pcbm.completeness)));
    html! {
        p .note {
            "By the bank " (bank) ", on " (names::short(&report.model_version)) "."
            @if let Some((share, completeness)) = shares {
                " A sparse layer on the concepts is right on " (table::percent(share.value)) " of the samples, "
                (table::percent(completeness)) " of the way from chance to the model itself."
            }
        }
    }
}

/// Bars of signed weights beside the images that show the concepts, and the donor.
fn class_concepts(job: &JobData, class: &ClassConceptsView) -> Markup {
    let weights = class.weights();
    html! {
        div .pair {
            figure {
                figcaption { "Concepts of " (class.class) ", by weight" }
                @if let Some(bars) = SignedBars::of(weights) { (PreEscaped(bars.svg())) }
            }
            (examples(job, class))
        }
        (tests(class))
        (words(class))
        @if let Some(donor) = &class.donor {
            p { "Donor by concepts: " strong { (donor.class) } " (" (donor.rule) "): " (donor.reason) }
        }
    }
}

fn examples(job: &JobData, class: &ClassConceptsView) -> Markup {
    let concepts = class.concepts.iter().map(|concept| &concept.concept);
    let shown: Vec<_> = concepts.filter_map(|name| Some((name, job.pictures.concepts.get(name)?))).collect();
    html! {
        @if !shown.is_empty() {
            figure {
                figcaption { "Images that show them best" }
                dl .images { @for (name, images) in shown {
                    dt { (name) }
                    dd { @for png in images { (image(png, name)) } }
                } }
            }
        }
    }
}

/// After TCAV only.
fn tests(class: &ClassConceptsView) -> Markup {
    let tested: Vec<_> = class.concepts.iter().filter_map(|concept| Some((concept, concept.tcav?))).collect();
    html! {
        @if !tested.is_empty() {
            div .scroll { table .figures {
                thead { tr { th { "concept" } th { "activation" } th { "TCAV" } th { "random" } th { "p" } th {} } }
                tbody { @for (concept, tcav) in &tested { tr {
                    th scope="row" { (concept.concept) }
                    td { (format!("{:+.2}", concept.activation)) }
                    td { (tcav.score_text()) }
                    td { (format!("{:.2}", tcav.random_score)) }
                    td { (table::optional(tcav.p_value, |p| format!("{p:.1e}"))) }
                    td { (tcav.verdict()) }
                } } }
            } }
        }
    }
}

/// Where concepts are words.
fn words(class: &ClassConceptsView) -> Markup {
    html! {
        @if !class.words.is_empty() {
            div .scroll { table .figures {
                thead { tr {
                    th { "word" } th { "weight" } th { "texts" } th { "mean share" } th { "elsewhere" } th { "p" } th {}
                } }
                tbody { @for word in &class.words {
                    @let [name, figures @ ..] = word.cells();
                    tr { th scope="row" { (name) } @for figure in figures { td { (figure) } } }
                } }
            } }
        }
    }
}

/// A column a sample: the image, and what speaks for its class before and after.
fn heat_maps(job: &JobData) -> Markup {
    let maps = &job.pictures.heat_maps;
    html! {
        @if !maps.is_empty() {
            figure {
                figcaption { "What speaks for the forgotten class in its images" }
                ul .legend {
                    li { span style=(format!("background:{}", palette::FOR.css())) {} "for" }
                    li { span style=(format!("background:{}", palette::AGAINST.css())) {} "against" }
                }
                div .scroll { table .images {
                    tr { th scope="row" { "image" } @for of in maps { td { (image(&of.image, &of.class)) } } }
                    tr { th scope="row" { "before" } @for of in maps { td { (image(&of.before, "heat map before")) } } }
                    tr { th scope="row" { "after" } @for of in maps { td { (image(&of.after, "heat map after")) } } }
                } }
                p .note { "Integrated gradients of the class's logit, in each picture on a scale of its own." }
            }
        }
    }
}
