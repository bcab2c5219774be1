//! The section of one job.

use maud::{Markup, html};

use super::{JobData, concepts, figure, tables};
use crate::client::view::UnlearnView;
use crate::client::{names, table};

pub(super) fn section(job: &JobData) -> Markup {
    let view = job.view();
    html! {
        section {
            h2 { (view.forgotten()) (if view.is_forgotten() { " forgotten: " } else { " NOT forgotten: " }) (job.label) }
            p .note {
                (names::short(&view.parent)) " → " strong { (names::short(&view.version)) }
                " in " (table::seconds(view.seconds)) " · " (view.job)
            }
            @for warning in &view.warnings { p .warning { (warning) } }
            (figures(&view))
            div .pair { (figure::destinations(job)) (figure::roc(job)) }
            div .pair { (figure::losses(job)) (figure::accuracies(job)) }
            div .pair { (figure::confusion_before(job)) (figure::confusion_after(job)) }
            (concepts::concepts(job, &view))
            (details(job, &view))
        }
    }
}

fn figures(view: &UnlearnView) -> Markup {
    let mut columns = vec![("before", &view.before), ("after", &view.after)];
    if let Some(reference) = &view.reference {
        columns.push(("reference", reference));
    }
    tables::figures(&columns)
}

/// Plan, request, time and provenance, folded away except for the plan.
fn details(job: &JobData, view: &UnlearnView) -> Markup {
    html! {
        @if let Some(plan) = &view.plan {
            details open { summary { "Plan" } (tables::plan(plan)) }
        }
        @if let Some(spec) = job.spec() {
            details { summary { "Request, with defaults" } (tables::spec(&spec)) }
        }
        details { summary { "Time" } dl {
            @for stage in &view.stages { dt { (stage.name) } dd { (table::seconds(stage.seconds)) } }
            dt { "training" } dd { (view.training.epochs) " epochs, " (view.training.steps) " steps" }
        } }
        @if let Some(provenance) = &view.provenance {
            details { summary { "Provenance" } (tables::provenance(provenance)) }
        }
    }
}
