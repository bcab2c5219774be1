//! What the classes owe to the concepts of a bank, or to words.

use serde::Serialize;

use super::class_concepts::ClassConceptsView;
use super::pcbm::PcbmView;
use super::plan::warnings_text;
use super::{ProvenanceView, View};
use crate::client::{names, table};
use crate::pb::v1::{self, concept_report as wire};

#[derive(Debug, Serialize)]
pub(crate) struct ConceptReportView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<String>,
    pub(crate) concept_bank: String,
    pub(crate) model_version: String,
    pub(crate) classes: Vec<ClassConceptsView>,
    pub(crate) pcbm: Option<PcbmView>,
    /// Where concepts are words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) words: Option<WordSummaryView>,
    pub(crate) purity: Vec<PurityView>,
    pub(crate) warnings: Vec<String>,
    pub(crate) seconds: f64,
    pub(crate) provenance: Option<ProvenanceView>,
}

/// What words were found in.
#[derive(Debug, Serialize)]
pub(crate) struct WordSummaryView {
    pub(crate) texts: i64,
    pub(crate) skipped: i64,
    pub(crate) failed: i64,
    pub(crate) unconverged: i64,
    pub(crate) alpha: f64,
    pub(crate) stop_words: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct PurityView {
    pub(crate) concept: String,
    pub(crate) max_cross_auc: f64,
    pub(crate) by: String,
}

impl ConceptReportView {
    pub(crate) fn of(job: Option<&str>, report: &v1::ConceptReport) -> Self {
        Self {
            job: job.map(str::to_owned),
            concept_bank: report.concept_bank.clone(),
            model_version: report.model_version.clone(),
            classes: report.classes.iter().map(ClassConceptsView::of).collect(),
            pcbm: report.pcbm.as_ref().map(PcbmView::of),
            words: report.words.as_ref().map(WordSummaryView::of),
            purity: report.purity.iter().map(PurityView::of).collect(),
            warnings: report.warnings.clone(),
            seconds: report.seconds,
            provenance: ProvenanceView::of(report.provenance.as_ref()),
        }
    }
}

impl WordSummaryView {
    fn of(summary: &wire::WordSummary) -> Self {
        let wire::WordSummary { texts, skipped, failed, unconverged, alpha, stop_words } = summary.clone();
        Self { texts, skipped, failed, unconverged, alpha, stop_words }
    }

    /// What counted, and what did not.
    fn rows(&self) -> Vec<(&'static str, String)> {
        let some = |count: i64| if count == 0 { String::new() } else { count.to_string() };
        vec![
            ("texts", self.texts.to_string()),
            ("too long", some(self.skipped)),
            ("not finite", some(self.failed)),
            ("not converged", some(self.unconverged)),
            ("significance", format!("{} over the words of a class", self.alpha)),
        ]
    }
}

impl PurityView {
    fn of(purity: &wire::Purity) -> Self {
        let wire::Purity { concept, max_cross_auc, by } = purity.clone();
        Self { concept, max_cross_auc, by }
    }
}

impl View for ConceptReportView {
    fn text(&self) -> String {
        let (version, took) = (names::short(&self.model_version), table::seconds(self.seconds));
        let mut text = match &self.words {
            Some(_) => format!("words of {version} in {took}\n\n{}", self.words_table()),
            None => {
                let bank = names::id(&self.concept_bank);
                format!("concepts of {version} by the bank {bank} in {took}\n\n{}", self.concepts_table())
            }
        };
        text.push('\n');
        for class in &self.classes {
            if let Some(donor) = &class.donor {
                text += &format!("donor: {} → {} ({}): {}\n", class.class, donor.class, donor.rule, donor.reason);
            }
        }
        if let Some(words) = &self.words {
            text += &format!("\n{}", table::pairs(&words.rows()));
        }
        if let Some(pcbm) = &self.pcbm {
            text += &format!("\n{}", table::pairs(&pcbm.rows()));
        }
        text += &self.impurities();
        text + &warnings_text(&self.warnings)
    }
}

impl ConceptReportView {
    /// The class's name stands at its first concept only; TCAV's columns only after a test.
    fn concepts_table(&self) -> String {
        let tested = self.classes.iter().flat_map(|class| &class.concepts).any(|concept| concept.tcav.is_some());
        let mut headers = vec!["class", "concept", "weight", "activation"];
        if tested {
            headers.extend(["TCAV", "random", "p", ""]);
        }
        by_class(&headers, self.classes.iter().map(|class| (class, class.concepts.iter().map(|of| of.cells()))))
    }

    fn words_table(&self) -> String {
        let headers = ["class", "word", "weight", "texts", "mean", "elsewhere", "p", ""];
        let rows = |class: &ClassConceptsView| class.words.iter().map(|word| word.cells().to_vec()).collect::<Vec<_>>();
        by_class(&headers, self.classes.iter().map(|class| (class, rows(class))))
    }

    /// Concepts that another one's score gives away.
    fn impurities(&self) -> String {
        let impure = self.purity.iter().filter(|purity| purity.max_cross_auc > 0.9);
        let told = impure.map(|p| format!("{} is told by {} (AUC {:.2})\n", p.concept, p.by, p.max_cross_auc));
        told.collect()
    }
}

/// A row a concept; the second column holds its name.
fn by_class<'a, R: IntoIterator<Item = Vec<String>>>(
    headers: &[&str],
    classes: impl Iterator<Item = (&'a ClassConceptsView, R)>,
) -> String {
    let mut table = table::of_figures(headers);
    if let Some(names) = table.column_mut(1) {
        names.set_cell_alignment(comfy_table::CellAlignment::Left);
    }
    for (class, rows) in classes {
        for (position, cells) in rows.into_iter().enumerate() {
            let name = if position == 0 { class.class.clone() } else { String::new() };
            table.add_row(std::iter::once(name).chain(cells));
        }
    }
    table::text(&table)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::pb::v1::concept_report::{ClassConcept, ClassConcepts, Donor, Pcbm, Purity, Share, Tcav};

    pub(in crate::client::view) fn report() -> v1::ConceptReport {
        let tcav = |score, significant: bool| Tcav {
            score,
            score_std: 0.03,
            magnitude: 0.4,
            random_score: 0.51,
            p_value: significant.then_some(0.00012),
            significant,
        };
        let concept = |name: &str, weight, significant| ClassConcept {
            name: name.into(),
            weight,
            activation: weight / 2.0,
            tcav: Some(tcav(0.5 + weight / 4.0, significant)),
        };
        let donor = Donor {
            class_index: 7,
            class_name: "horse".into(),
            rule: v1::DonorRule::ConceptConfusion.into(),
            reason: "brown is the heaviest concept of horse".into(),
        };
        let share = |value| Some(Share { value, low: value - 0.01, high: value + 0.01, total: 1000 });
        v1::ConceptReport {
            concept_bank: "conceptBanks/basic".into(),
            model_version: "models/cifar/versions/1".into(),
            classes: vec![ClassConcepts {
                class_index: 4,
                class_name: "deer".into(),
                concepts: vec![concept("brown", 1.25, true), concept("striped", -0.5, false)],
                donor: Some(donor),
                words: Vec::new(),
            }],
            pcbm: Some(Pcbm {
                test: share(0.84),
                model_test: share(0.86),
                completeness: 0.973,
                nonzero_count: 3,
                converged: true,
                weights: vec![1.25, -0.5, 0.25, 0.0],
                biases: vec![0.1, -0.1],
                ..Pcbm::default()
            }),
            purity: vec![Purity { concept: "brown".into(), max_cross_auc: 0.95, by: "orange".into() }],
            warnings: vec!["striped is unreliable".into()],
            seconds: 3.21,
            ..v1::ConceptReport::default()
        }
    }

    #[test]
    fn each_class_tells_its_concepts_its_donor_and_why() {
        let text = console::strip_ansi_codes(&ConceptReportView::of(None, &report()).text()).into_owned();
        let expected = "\
concepts of cifar@1 by the bank basic in 3.21 s

class  concept  weight  activation         TCAV  random       p
deer   brown    +1.250       +0.62  0.81 ± 0.03    0.51  1.2e-4  for it
       striped  -0.500       -0.25  0.38 ± 0.03    0.51       –

donor: deer → horse (concept-confusion): brown is the heaviest concept of horse
";
        assert!(text.starts_with(expected), "{text}");
        for told in [
            "84.0 % [83.0, 85.0]",
            "86.0 % [85.0, 87.0]",
            "97.3 %",
            "3 of 4",
            "brown is told by orange (AUC 0.95)",
            "warning: striped",
        ] {
            assert!(text.contains(told), "{told} in {text}");
        }
    }

    #[test]
    fn without_a_test_there_are_no_columns_for_it() {
        let mut report = report();
        report.classes[0].concepts.iter_mut().for_each(|concept| concept.tcav = None);
        let text = ConceptReportView::of(None, &report).text();
        assert!(!text.contains("TCAV") && text.contains("+1.250"), "{text}");
    }

    #[test]
    fn json_has_the_weights_a_row_a_class() {
        let json = serde_json::to_value(ConceptReportView::of(Some("jobs/7"), &report())).unwrap();
        assert_eq!(json["pcbm"]["weights"], serde_json::json!([[1.25, -0.5], [0.25, 0.0]]));
        let class = &json["classes"][0];
        assert_eq!((&class["class"], &class["donor"]["rule"]), (&"deer".into(), &"concept-confusion".into()));
        assert_eq!(class["concepts"][1]["tcav"]["p_value"], serde_json::Value::Null);
    }

    #[test]
    fn words_stand_by_class_with_what_they_were_found_in() {
        let word = |word: &str, weight, p_value: Option<f64>| wire::WordConcept {
            word: word.into(),
            weight,
            texts: 12,
            mean: weight / 20.0,
            kept_mean: 0.001,
            p_value,
            significant: p_value.is_some(),
        };
        let mut report = report();
        report.classes[0].words = vec![word("goal", 6.25, Some(1.5e-7)), word("match", 2.0, None)];
        report.words = Some(wire::WordSummary { texts: 40, unconverged: 3, alpha: 0.05, ..Default::default() });
        report.pcbm = None;
        let text = console::strip_ansi_codes(&ConceptReportView::of(None, &report).text()).into_owned();
        let expected = "\
words of cifar@1 in 3.21 s

class  word   weight  texts    mean  elsewhere       p
deer   goal    6.250     12  0.3125     0.0010  1.5e-7  for it
       match   2.000     12  0.1000     0.0010       –

donor: deer → horse (concept-confusion): brown is the heaviest concept of horse

texts          40
not converged  3
significance   0.05 over the words of a class
";
        assert!(text.starts_with(expected), "{text}");
    }
}
