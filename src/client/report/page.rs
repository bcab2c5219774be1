//! The page: heading, comparison of all jobs, a section a job.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::JobData;
use super::section::section;
use super::tables;
use crate::client::view::CompareView;

const STYLE: &str = include_str!("style.css");

/// The whole file.
pub(crate) fn page(title: &str, compared: &CompareView, jobs: &[JobData]) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    (comparison(compared))
                    @for job in jobs { (section(job)) }
                    footer { "Made by unlearnctl " (env!("CARGO_PKG_VERSION")) "." }
                }
            }
        }
    };
    markup.into_string()
}

fn comparison(compared: &CompareView) -> Markup {
    html! {
        section {
            h2 { "At a glance" }
            (tables::comparison(compared))
            p .note {
                "Good unlearning looks like the reference, a model that never saw the forget set: equal accuracies, a "
                "loss-attack AUC like the reference's, and a Jensen-Shannon divergence (JS, in nats) near 0."
            }
        }
    }
}
