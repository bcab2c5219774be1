//! The outcome of a fine-tuning job.

use serde::Serialize;

use super::plan::{donors_text, warnings_text};
use super::{PlanView, View};
use crate::client::{names, table};
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct FineTuneView {
    pub(crate) job: String,
    pub(crate) version: String,
    pub(crate) steps: i64,
    pub(crate) epochs: u32,
    pub(crate) seconds: f64,
    pub(crate) early_stopped: bool,
    pub(crate) final_metrics: Vec<MetricView>,
    pub(crate) flags: Vec<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) plan: Option<PlanView>,
    /// Whether the new version is served already.
    #[serde(skip)]
    pub(super) promoted: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct MetricView {
    pub(crate) name: String,
    pub(crate) step: i64,
    pub(crate) value: f64,
}

impl MetricView {
    pub(crate) fn of(metric: &v1::JobMetric) -> Self {
        let v1::JobMetric { name, step, value } = metric.clone();
        Self { name, step, value }
    }
}

impl FineTuneView {
    pub(crate) fn of(job: &str, result: &v1::FineTuneResult) -> Self {
        Self {
            job: job.to_owned(),
            version: result.version.clone(),
            steps: result.steps,
            epochs: result.epochs,
            seconds: result.seconds,
            early_stopped: result.early_stopped,
            final_metrics: result.final_metrics.iter().map(MetricView::of).collect(),
            flags: result.flags.clone(),
            warnings: warnings(result),
            plan: result.plan.as_ref().map(PlanView::of),
            promoted: false,
        }
    }
}

/// The plan's warnings and what the flags mean.
pub(super) fn warnings(result: &v1::FineTuneResult) -> Vec<String> {
    let planned = result.plan.iter().flat_map(|plan| plan.warnings.iter().cloned());
    planned.chain(result.flags.iter().map(|flag| flag_text(flag))).collect()
}

/// How to serve a version that is not served yet.
fn serving_text(version: &str, promoted: bool) -> String {
    let version = names::short(version);
    if promoted {
        format!("{version} is being served\n")
    } else {
        format!("serve it: unlearnctl model promote {version}\n")
    }
}

fn flag_text(flag: &str) -> String {
    match flag {
        "UTILITY_COLLAPSE" => "UTILITY_COLLAPSE: retained train accuracy fell below the stated minimum".to_owned(),
        NOT_FORGOTTEN => {
            "NOT_FORGOTTEN: more than half of what was told right of the forget set still is; train longer, at a higher rate or deeper".to_owned()
        }
        other => other.to_owned(),
    }
}

pub(super) const NOT_FORGOTTEN: &str = "NOT_FORGOTTEN";

impl View for FineTuneView {
    fn text(&self) -> String {
        let stopped = if self.early_stopped { ", stopped early" } else { "" };
        let mut text = format!(
            "{} trained in {} ({} epochs, {} steps{stopped}; {})\n",
            console::style(names::short(&self.version)).green().bold(),
            table::seconds(self.seconds),
            self.epochs,
            self.steps,
            self.job
        );
        for metric in &self.final_metrics {
            text += &format!("  {}  {:.4}\n", metric.name, metric.value);
        }
        text += &donors_text(self.plan.as_ref().map_or(&[], |plan| &plan.donors));
        text += &warnings_text(&self.warnings);
        text + &serving_text(&self.version, self.promoted)
    }
}
