//! Concept banks: how well each concept can be told.

use serde::Serialize;

use super::concept::ConceptView;
use super::{ProvenanceView, View, rfc3339, some};
use crate::client::words::Words;
use crate::client::{names, table};
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct ConceptBankView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<String>,
    pub(crate) name: String,
    pub(crate) model_version: String,
    pub(crate) prefix_hash: String,
    pub(crate) dimension: u32,
    pub(crate) origin: &'static str,
    /// Absent where no examples were told apart.
    pub(crate) method: Option<&'static str>,
    pub(crate) concepts: Vec<ConceptView>,
    pub(crate) duplicates: Vec<DuplicateView>,
    pub(crate) normalize_input: bool,
    pub(crate) licence: Option<String>,
    pub(crate) explained_share: Option<f64>,
    pub(crate) sha256: String,
    pub(crate) size_bytes: u64,
    pub(crate) create_time: Option<String>,
    pub(crate) provenance: Option<ProvenanceView>,
}

#[derive(Debug, Serialize)]
pub(crate) struct DuplicateView {
    pub(crate) first: String,
    pub(crate) second: String,
    pub(crate) cosine: f64,
}

impl ConceptBankView {
    pub(crate) fn of(job: Option<&str>, bank: &v1::ConceptBank) -> Self {
        Self {
            job: job.map(str::to_owned),
            name: bank.name.clone(),
            model_version: bank.model_version.clone(),
            prefix_hash: bank.prefix_hash.clone(),
            dimension: bank.dimension,
            origin: v1::concept_bank::Origin::word_of(bank.origin),
            method: is_learnt(bank).then(|| v1::CavMethod::word_of(bank.method)),
            concepts: bank.concepts.iter().map(ConceptView::of).collect(),
            duplicates: bank.duplicates.iter().map(DuplicateView::of).collect(),
            normalize_input: bank.normalize_input,
            licence: some(&bank.licence),
            explained_share: bank.explained_share,
            sha256: bank.sha256.clone(),
            size_bytes: bank.size_bytes,
            create_time: rfc3339(bank.create_time.as_ref()),
            provenance: ProvenanceView::of(bank.provenance.as_ref()),
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let learnt = self.method.map(|method| format!(" by {method}")).unwrap_or_default();
        vec![
            ("bank", self.name.clone()),
            ("learnt on", names::short(&self.model_version)),
            ("origin", self.origin.to_owned() + &learnt),
            ("vectors", format!("{} of length {}", self.concepts.len(), self.dimension)),
            ("explained", self.explained_share.map(table::percent).unwrap_or_default()),
            ("licence", self.licence.clone().unwrap_or_default()),
            ("size", table::bytes(self.size_bytes)),
            ("created", self.create_time.as_deref().map(|time| table::time(Some(time))).unwrap_or_default()),
        ]
    }
}

/// From examples that were told apart; parts that were discovered and imported vectors were not.
fn is_learnt(bank: &v1::ConceptBank) -> bool {
    bank.concepts.iter().any(|concept| concept.validation_accuracy.is_some())
}

impl DuplicateView {
    fn of(pair: &v1::concept_bank::Duplicate) -> Self {
        Self { first: pair.first.clone(), second: pair.second.clone(), cosine: pair.cosine }
    }
}

impl ConceptBankView {
    /// A line each, with figures where there are any.
    fn concepts_text(&self) -> String {
        if self.method.is_none() {
            return self.concepts.iter().map(|concept| format!("{}\n", concept.name)).collect();
        }
        let mut table = table::of_figures(&["concept", "validation accuracy", "AUC", "C", "held out", ""]);
        for concept in &self.concepts {
            table.add_row(concept.cells());
        }
        table::text(&table)
    }
}

impl View for ConceptBankView {
    fn text(&self) -> String {
        let mut text = table::pairs(&self.rows()) + "\n" + &self.concepts_text();
        for pair in &self.duplicates {
            text += &format!("{} and {} are nearly the same (cosine {:.3})\n", pair.first, pair.second, pair.cosine);
        }
        let written: usize = self.concepts.iter().map(|concept| concept.examples.len()).sum();
        if written > 0 {
            text += &format!("{written} example images written\n");
        }
        text
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct ConceptBankList {
    pub(crate) concept_banks: Vec<ConceptBankView>,
}

impl View for ConceptBankList {
    fn text(&self) -> String {
        let mut table = table::new(&["bank", "learnt on", "origin", "concepts", "unreliable", "created"]);
        for bank in &self.concept_banks {
            let unreliable = bank.concepts.iter().filter(|concept| concept.unreliable).count();
            table.add_row([
                names::id(&bank.name).to_owned(),
                names::short(&bank.model_version),
                bank.origin.to_owned(),
                bank.concepts.len().to_string(),
                unreliable.to_string(),
                table::time(bank.create_time.as_deref()),
            ]);
        }
        table::text(&table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::concept::Margin;

    fn bank() -> v1::ConceptBank {
        let margin = |count| Some(Margin { count, mean: 1.0, ..Margin::default() });
        let red = v1::Concept {
            name: "red".into(),
            train_accuracy: 1.0,
            validation_accuracy: Some(0.98),
            validation_low: 0.93,
            validation_high: 0.995,
            validation_auc: 0.999,
            c: 0.01,
            positives: margin(50),
            negatives: margin(50),
            ..v1::Concept::default()
        };
        let striped = v1::Concept {
            name: "striped".into(),
            validation_accuracy: Some(0.5),
            validation_low: 0.404,
            validation_high: 0.596,
            validation_auc: 0.52,
            unreliable: true,
            ..red.clone()
        };
        v1::ConceptBank {
            name: "conceptBanks/basic".into(),
            model_version: "models/cifar/versions/1".into(),
            dimension: 64,
            origin: v1::concept_bank::Origin::Procedural.into(),
            method: v1::CavMethod::SvcHinge.into(),
            concepts: vec![red, striped, v1::Concept { name: "part 0".into(), ..v1::Concept::default() }],
            duplicates: vec![v1::concept_bank::Duplicate { first: "red".into(), second: "pink".into(), cosine: 0.96 }],
            size_bytes: 2048,
            ..v1::ConceptBank::default()
        }
    }

    #[test]
    fn a_bank_tells_how_far_each_concept_can_be_trusted() {
        let text = console::strip_ansi_codes(&ConceptBankView::of(None, &bank()).text()).into_owned();
        let expected = "\
bank       conceptBanks/basic
learnt on  cifar@1
origin     procedural by svc-hinge
vectors    3 of length 64
size       2.0 KiB

concept  validation accuracy    AUC     C  held out
red      98.0 % [93.0, 99.5]  0.999  0.01   50 + 50
striped  50.0 % [40.4, 59.6]  0.520  0.01   50 + 50  unreliable
part 0                     –      –     –         –
red and pink are nearly the same (cosine 0.960)
";
        assert_eq!(text, expected);
    }

    #[test]
    fn figures_that_were_not_measured_are_not_in_the_json() {
        let json = serde_json::to_value(ConceptBankView::of(Some("jobs/7"), &bank())).unwrap();
        assert_eq!(
            (&json["job"], &json["origin"], &json["method"]),
            (&"jobs/7".into(), &"procedural".into(), &"svc-hinge".into())
        );
        let (red, part) = (&json["concepts"][0], &json["concepts"][2]);
        assert_eq!(red["validation_interval"], serde_json::json!([0.93, 0.995]));
        assert_eq!(red["positives"]["count"], 50);
        assert_eq!(part, &serde_json::json!({ "name": "part 0", "unreliable": false }));
    }

    #[test]
    fn parts_that_were_discovered_have_no_figures() {
        let part = |name: &str| v1::Concept { name: name.into(), ..v1::Concept::default() };
        let bank = v1::ConceptBank {
            origin: v1::concept_bank::Origin::Discovered.into(),
            concepts: vec![part("part-01"), part("part-02")],
            explained_share: Some(0.884),
            ..bank()
        };
        let text = ConceptBankView::of(None, &bank).text();
        assert!(text.contains("origin     discovered\n") && text.contains("explained  88.4 %\n"), "{text}");
        assert!(text.contains("\npart-01\npart-02\n"), "{text}");
    }
}
