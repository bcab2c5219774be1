//! The outcome of a job that attributed a dataset.

use serde::Serialize;

use super::{ProvenanceView, View};
use crate::client::{names, table};
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct AttributionReportView {
    pub(crate) job: String,
    pub(crate) model_version: String,
    pub(crate) uri: String,
    pub(crate) sha256: String,
    pub(crate) size_bytes: u64,
    pub(crate) sample_count: i64,
    pub(crate) mean_relative_delta: Option<f64>,
    pub(crate) max_relative_delta: Option<f64>,
    pub(crate) converged_count: Option<i64>,
    pub(crate) mean_infidelity: Option<f64>,
    pub(crate) mean_sensitivity: Option<f64>,
    pub(crate) seconds: f64,
    pub(crate) provenance: Option<ProvenanceView>,
}

impl AttributionReportView {
    pub(crate) fn of(job: &str, report: &v1::AttributionReport) -> Self {
        Self {
            job: job.to_owned(),
            model_version: report.model_version.clone(),
            uri: report.uri.clone(),
            sha256: report.sha256.clone(),
            size_bytes: report.size_bytes,
            sample_count: report.sample_count,
            mean_relative_delta: report.mean_relative_delta,
            max_relative_delta: report.max_relative_delta,
            converged_count: report.converged_count,
            mean_infidelity: report.mean_infidelity,
            mean_sensitivity: report.mean_sensitivity,
            seconds: report.seconds,
            provenance: ProvenanceView::of(report.provenance.as_ref()),
        }
    }
}

impl View for AttributionReportView {
    fn text(&self) -> String {
        let error = self
            .mean_relative_delta
            .zip(self.max_relative_delta)
            .map(|(mean, max)| format!("{} on average, {} at most", table::percent(mean), table::percent(max)));
        let figure = |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
        table::pairs(&[
            ("model", names::short(&self.model_version)),
            ("samples", self.sample_count.to_string()),
            ("converged", self.converged_count.map(|count| count.to_string()).unwrap_or_default()),
            ("completeness error", error.unwrap_or_default()),
            ("infidelity", figure(self.mean_infidelity)),
            ("sensitivity", figure(self.mean_sensitivity)),
            ("time", table::seconds(self.seconds)),
            ("written to", self.uri.clone()),
            ("size", table::bytes(self.size_bytes)),
            ("sha256", self.sha256.clone()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_tells_where_its_file_is_and_how_good_it_is() {
        let report = v1::AttributionReport {
            model_version: "models/cifar/versions/1".into(),
            uri: "file:///exports/a.safetensors".into(),
            sample_count: 100,
            mean_relative_delta: Some(0.01),
            max_relative_delta: Some(0.2),
            converged_count: Some(98),
            seconds: 2.0,
            size_bytes: 1024,
            sha256: "3f".into(),
            ..v1::AttributionReport::default()
        };
        let expected = "\
model               cifar@1
samples             100
converged           98
completeness error  1.0 % on average, 20.0 % at most
time                2.00 s
written to          file:///exports/a.safetensors
size                1.0 KiB
sha256              3f
";
        assert_eq!(AttributionReportView::of("jobs/7", &report).text(), expected);
    }
}
