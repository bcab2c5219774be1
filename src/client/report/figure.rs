//! The figures of one job: which data goes into which plot, with caption and legend.

use maud::{Markup, PreEscaped, html};

use super::JobData;
use super::plot::{Bars, Heatmap, Lines, Series, palette};
use crate::client::view::class_name;
use crate::pb::v1::{AttackReport, EvaluationReport, JobMetric, SplitEvaluation};

const NAMES: [&str; 3] = ["before", "after", "reference"];

pub(super) fn losses(job: &JobData) -> Markup {
    let series = training_series(&job.metrics, "loss");
    let top = series.iter().flat_map(|series| &series.points).map(|point| point.1).fold(0.0, f64::max);
    training("Loss over steps", series, top * 1.05)
}

pub(super) fn accuracies(job: &JobData) -> Markup {
    training("Accuracy over steps", training_series(&job.metrics, "accuracy"), 1.0)
}

fn training(caption: &str, series: Vec<Series>, top: f64) -> Markup {
    if series.is_empty() {
        return html! {};
    }
    let lines = Lines { series, x_name: "step", y_name: "", x_end: None, y_end: top, diagonal: false };
    html! { figure { figcaption { (caption) } (legend(&lines.series)) (PreEscaped(lines.svg())) } }
}

/// `train.loss` and `forget.loss` are two series of the quantity `loss`.
fn training_series(metrics: &[JobMetric], quantity: &str) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for metric in metrics.iter().filter(|metric| metric.name.ends_with(quantity) && metric.value.is_finite()) {
        let position = series.iter().position(|known| known.name == metric.name).unwrap_or_else(|| {
            let colour = palette::of_subset(&metric.name);
            series.push(Series { name: metric.name.clone(), colour, points: Vec::new() });
            series.len() - 1
        });
        series[position].points.push((metric.step as f64, metric.value));
    }
    series.into_iter().map(Series::thinned).collect()
}

pub(super) fn roc(job: &JobData) -> Markup {
    let attacks = NAMES.iter().zip(palette::VERSIONS).zip(job.loss_attacks());
    let series: Vec<Series> =
        attacks.filter_map(|((name, colour), attack)| Some(roc_series(name, colour, attack?))).collect();
    if series.is_empty() {
        return html! {};
    }
    let (x_name, y_name) = ("false-positive rate", "true-positive rate");
    let lines = Lines { series, x_name, y_name, x_end: Some(1.0), y_end: 1.0, diagonal: true };
    html! {
        figure {
            figcaption { "Membership inference: ROC of the loss attack" }
            (legend(&lines.series)) (PreEscaped(lines.svg()))
        }
    }
}

fn roc_series(name: &str, colour: palette::Colour, attack: &AttackReport) -> Series {
    let points = attack.roc.iter().map(|point| (point.false_positive_rate, point.true_positive_rate)).collect();
    Series { name: format!("{name}, AUC {:.3}", attack.auc), colour, points }
}

pub(super) fn confusion_before(job: &JobData) -> Markup {
    confusion("Confusion before (test)", job.before())
}

pub(super) fn confusion_after(job: &JobData) -> Markup {
    confusion("Confusion after (test)", job.after())
}

fn confusion(caption: &str, report: Option<&EvaluationReport>) -> Markup {
    let Some((report, test)) = report.and_then(|report| Some((report, report.test.as_ref()?))) else { return html! {} };
    let classes = test.per_class.len();
    if classes == 0 || test.confusion.len() != classes * classes {
        return html! {};
    }
    let names = (0..classes).map(|class| class_name(&report.class_names, class)).collect();
    let marked = report.forget_classes.iter().map(|class| *class as usize).collect();
    let svg = Heatmap { names, counts: &test.confusion, marked }.svg();
    html! {
        figure {
            figcaption { (caption) }
            p .note { "Rows are true classes, columns predictions, in per cent of the row." }
            (PreEscaped(svg))
        }
    }
}

pub(super) fn destinations(job: &JobData) -> Markup {
    let reports = [job.before().and_then(|report| report.test.as_ref()), job.after().and_then(|r| r.test.as_ref())];
    let reference = job.after().and_then(|report| report.reference.as_ref()?.test.as_ref());
    let columns: Vec<(&str, palette::Colour, &SplitEvaluation)> = NAMES
        .iter()
        .zip(palette::VERSIONS)
        .zip(reports.into_iter().chain([reference]))
        .filter_map(|((name, colour), split)| Some((*name, colour, split?)))
        .filter(|(_, _, split)| !split.destinations.is_empty())
        .collect();
    let names = job.after().map_or(&[][..], |report| &report.class_names);
    let Some(bars) = Bars::of(&columns, names) else { return html! {} };
    html! {
        figure {
            figcaption { "Where test samples of the forget set go" }
            (swatches(&columns.iter().map(|(name, colour, _)| (*name, *colour)).collect::<Vec<_>>()))
            (PreEscaped(bars.svg()))
        }
    }
}

fn legend(series: &[Series]) -> Markup {
    swatches(&series.iter().map(|series| (series.name.as_str(), series.colour)).collect::<Vec<_>>())
}

fn swatches(entries: &[(&str, palette::Colour)]) -> Markup {
    html! {
        ul .legend { @for (name, colour) in entries {
            li { span style=(format!("background:{}", colour.css())) {} (name) }
        } }
    }
}
