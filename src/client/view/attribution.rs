//! Attributions of images.

use serde::Serialize;

use super::View;
use super::plan::named;
use crate::client::error::{Error, Result};
use crate::client::{names, table};
use crate::pb::v1;

#[derive(Debug, Default, Serialize)]
pub(crate) struct AttributionList {
    pub(crate) model_version: String,
    pub(crate) attributions: Vec<AttributionView>,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct AttributionView {
    pub(crate) input: String,
    /// Absent for an input that was not attributed.
    pub(crate) result: Option<Attributed>,
    pub(crate) error: Option<FailureView>,
    /// File that the heat map was written to.
    pub(crate) heat_map: Option<String>,
    /// The heat map for a terminal.
    #[serde(skip)]
    pub(crate) picture: Option<String>,
    #[serde(skip)]
    model_version: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Attributed {
    pub(crate) target: String,
    pub(crate) target_index: u32,
    pub(crate) output: f64,
    pub(crate) baseline_output: f64,
    /// The error of completeness, of methods whose values sum to the difference of outputs.
    pub(crate) delta: Option<f64>,
    pub(crate) relative_delta: Option<f64>,
    pub(crate) converged: Option<bool>,
    pub(crate) steps: u32,
    pub(crate) infidelity: Option<f64>,
    pub(crate) sensitivity: Option<f64>,
    /// There is nothing to explain.
    pub(crate) is_baseline: bool,
    /// `[channels, height, width]` of the values.
    pub(crate) shape: [u32; 3],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) values: Vec<f32>,
}

#[derive(Debug, Serialize)]
pub(crate) struct FailureView {
    pub(crate) code: i32,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl AttributionList {
    pub(crate) fn add(&mut self, attribution: AttributionView) {
        self.model_version.clone_from(&attribution.model_version);
        self.attributions.push(attribution);
    }

    /// Fails unless each of so many inputs was attributed.
    pub(crate) fn check_all(&self, total: usize) -> Result<()> {
        let failed = total - self.attributions.iter().filter(|attribution| attribution.result.is_some()).count();
        if failed > 0 { Err(Error::Unattributed { failed, total }) } else { Ok(()) }
    }
}

impl AttributionView {
    pub(crate) fn of(input: &str, response: v1::AttributeResponse) -> Self {
        let model_version = response.model_version.clone();
        let (result, error) = match response.failure {
            Some(failure) => (None, Some(FailureView::of(failure))),
            None => (Some(Attributed::of(response)), None),
        };
        Self { input: input.to_owned(), result, error, model_version, ..Self::default() }
    }
}

impl Attributed {
    fn of(response: v1::AttributeResponse) -> Self {
        Self {
            target: named(&response.target_name, response.target_index),
            target_index: response.target_index,
            output: response.output,
            baseline_output: response.baseline_output,
            delta: response.delta,
            relative_delta: response.relative_delta,
            converged: response.converged,
            steps: response.steps,
            infidelity: response.infidelity,
            sensitivity: response.sensitivity,
            is_baseline: response.is_baseline,
            shape: [response.channels, response.height, response.width],
            values: response.values,
        }
    }

    fn cells(&self) -> [String; 7] {
        let (error, verdict) = self.completeness();
        [
            self.target.clone(),
            format!("{:.4}", self.output),
            format!("{:.4}", self.baseline_output),
            error,
            verdict,
            table::optional(self.infidelity, |value| format!("{value:.4}")),
            table::optional(self.sensitivity, |value| format!("{value:.4}")),
        ]
    }

    /// The error, absolute and relative, and what to make of it.
    fn completeness(&self) -> (String, String) {
        if self.is_baseline {
            return (table::ABSENT.to_owned(), "is the baseline".to_owned());
        }
        let (Some(delta), Some(relative), Some(converged)) = (self.delta, self.relative_delta, self.converged) else {
            return (table::ABSENT.to_owned(), table::ABSENT.to_owned());
        };
        let verdict = if converged { "yes".to_owned() } else { console::style("no").yellow().to_string() };
        (format!("{delta:+.4} ({})", table::percent(relative)), verdict)
    }
}

impl FailureView {
    pub(super) fn of(failure: v1::attribute_response::Failure) -> Self {
        let v1::attribute_response::Failure { code, reason, message } = failure;
        Self { code, reason, message }
    }
}

impl View for AttributionList {
    fn text(&self) -> String {
        let mut text = format!("attributions by {}\n\n", names::short(&self.model_version));
        text += &self.table();
        for attribution in &self.attributions {
            if let Some(error) = &attribution.error {
                let failed = console::style("failed:").red().bold();
                text += &format!("{} {failed} {} {}\n", attribution.input, error.reason, error.message);
            }
        }
        for attribution in &self.attributions {
            if let Some(picture) = &attribution.picture {
                text += &format!("\n{}\n{picture}", attribution.input);
            }
        }
        let written: Vec<&str> = self.attributions.iter().filter_map(|a| a.heat_map.as_deref()).collect();
        if !written.is_empty() {
            text += &format!("\nheat maps: {}\n", written.join(", "));
        }
        text
    }
}

impl AttributionList {
    /// Without the columns that nothing was measured for.
    fn table(&self) -> String {
        let rows: Vec<(&str, [String; 7])> =
            self.attributions.iter().filter_map(|a| Some((a.input.as_str(), a.result.as_ref()?.cells()))).collect();
        let headers = ["target", "output", "baseline", "completeness error", "converged", "infidelity", "sensitivity"];
        let is_shown = |column: usize| rows.iter().any(|(_, cells)| cells[column] != table::ABSENT);
        let shown: Vec<usize> = (0..headers.len()).filter(|column| is_shown(*column)).collect();
        let mut table =
            table::of_figures(&std::iter::once("input").chain(shown.iter().map(|c| headers[*c])).collect::<Vec<_>>());
        for (input, cells) in &rows {
            let cells = shown.iter().map(|column| cells[*column].clone());
            table.add_row(std::iter::once((*input).to_owned()).chain(cells));
        }
        table::text(&table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(index: u32) -> v1::AttributeResponse {
        v1::AttributeResponse {
            index,
            model_version: "models/cifar/versions/1".into(),
            target_index: 4,
            target_name: "deer".into(),
            values: vec![0.5, -0.25],
            channels: 1,
            height: 1,
            width: 2,
            output: 9.25,
            baseline_output: -1.5,
            delta: Some(0.0123),
            relative_delta: Some(0.0011),
            converged: Some(true),
            steps: 50,
            ..v1::AttributeResponse::default()
        }
    }

    fn list() -> AttributionList {
        let failure =
            v1::attribute_response::Failure { code: 3, reason: "BAD_IMAGE".into(), message: "is 16x16".into() };
        let mut list = AttributionList::default();
        list.add(AttributionView::of("a.png", response(0)));
        list.add(AttributionView::of("b.png", v1::AttributeResponse { failure: Some(failure), ..response(1) }));
        list
    }

    fn text(list: &AttributionList) -> String {
        console::strip_ansi_codes(&list.text()).into_owned()
    }

    #[test]
    fn one_that_fails_tells_why_and_does_not_hide_the_others() {
        let list = list();
        let expected = "\
attributions by cifar@1

input  target  output  baseline  completeness error  converged
a.png    deer  9.2500   -1.5000     +0.0123 (0.1 %)        yes
b.png failed: BAD_IMAGE is 16x16
";
        assert_eq!(text(&list), expected);
        assert_eq!(list.check_all(2).unwrap_err().to_string(), "1 of 2 inputs were not attributed");
    }

    #[test]
    fn methods_that_are_not_complete_claim_no_convergence() {
        let saliency = v1::AttributeResponse { delta: None, relative_delta: None, converged: None, ..response(0) };
        let mut list = AttributionList::default();
        list.add(AttributionView::of("a.png", saliency));
        assert!(!text(&list).contains("converged"));
    }

    #[test]
    fn values_are_in_the_json_where_they_were_asked_for() {
        let json = serde_json::to_value(list()).unwrap();
        let [attributed, failed] = [0, 1].map(|index| &json["attributions"][index]);
        assert_eq!(attributed["result"]["values"], serde_json::json!([0.5, -0.25]));
        assert_eq!(attributed["result"]["shape"], serde_json::json!([1, 1, 2]));
        assert_eq!((&failed["result"], &failed["error"]["reason"]), (&serde_json::Value::Null, &"BAD_IMAGE".into()));
    }
}
