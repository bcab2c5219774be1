//! What is or would be poisoned, with which labels and donors and why.

use serde::Serialize;

use super::View;
use crate::client::table;
use crate::client::words::Words;
use crate::pb::v1;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PlanView {
    pub(crate) forget_counts: Vec<Count>,
    pub(crate) poisoned_count: i64,
    pub(crate) retain_count: i64,
    pub(crate) donors: Vec<DonorView>,
    pub(crate) label_histogram: Vec<Count>,
    pub(crate) steps_per_epoch: i64,
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Count {
    pub(crate) class: String,
    pub(crate) index: u32,
    pub(crate) count: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DonorView {
    pub(crate) class: String,
    pub(crate) donor: String,
    pub(crate) rule: &'static str,
    pub(crate) reason: String,
    pub(crate) candidates: Vec<Candidate>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Candidate {
    pub(crate) class: String,
    pub(crate) score: f64,
}

impl PlanView {
    pub(crate) fn of(plan: &v1::PoisonPlan) -> Self {
        Self {
            forget_counts: plan.forget_counts.iter().map(Count::of).collect(),
            poisoned_count: plan.poisoned_count,
            retain_count: plan.retain_count,
            donors: plan.donors.iter().map(DonorView::of).collect(),
            label_histogram: plan.label_histogram.iter().map(Count::of).collect(),
            steps_per_epoch: plan.steps_per_epoch,
            warnings: plan.warnings.clone(),
        }
    }
}

impl Count {
    fn of(count: &v1::poison_plan::ClassCount) -> Self {
        Self { class: named(&count.class_name, count.class_index), index: count.class_index, count: count.count }
    }
}

impl DonorView {
    fn of(donor: &v1::poison_plan::Donor) -> Self {
        Self {
            class: named(&donor.class_name, donor.class_index),
            donor: named(&donor.donor_name, donor.donor_index),
            rule: v1::DonorRule::word_of(donor.rule),
            reason: donor.reason.clone(),
            candidates: donor.candidates.iter().map(Candidate::of).collect(),
        }
    }

    /// `deer → horse (nearest-class): highest mean softmax …`
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} → {} ({})", self.class, self.donor, self.rule);
        if !self.reason.is_empty() {
            text += ": ";
            text += &self.reason;
        }
        text
    }
}

impl Candidate {
    fn of(candidate: &v1::poison_plan::donor::Candidate) -> Self {
        Self { class: named(&candidate.class_name, candidate.class_index), score: candidate.score }
    }
}

fn named(name: &str, index: u32) -> String {
    if name.is_empty() { index.to_string() } else { name.to_owned() }
}

impl View for PlanView {
    fn text(&self) -> String {
        let mut text = table::pairs(&[
            ("forget", counts_text(&self.forget_counts)),
            ("poisoned", self.poisoned_count.to_string()),
            ("retained", self.retain_count.to_string()),
            ("new labels", counts_text(&self.label_histogram)),
            ("steps per epoch", self.steps_per_epoch.to_string()),
        ]);
        text += &donors_text(&self.donors);
        text += &warnings_text(&self.warnings);
        text
    }
}

fn counts_text(counts: &[Count]) -> String {
    let parts: Vec<String> = counts.iter().map(|count| format!("{} {}", count.class, count.count)).collect();
    parts.join(", ")
}

/// Each donor with its reason and its best rivals.
pub(super) fn donors_text(donors: &[DonorView]) -> String {
    let mut text = String::new();
    for donor in donors {
        text += &format!("donor: {}\n", donor.text());
        let rivals: Vec<String> =
            donor.candidates.iter().take(4).map(|rival| format!("{} {:.4}", rival.class, rival.score)).collect();
        if !rivals.is_empty() {
            text += &format!("       candidates: {}\n", rivals.join(", "));
        }
    }
    text
}

pub(super) fn warnings_text(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("{} {warning}\n", console::style("warning:").yellow().bold())).collect()
}
