//! What is or would be poisoned, with which labels and donors and why.

use serde::Serialize;

use super::{View, some};
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
    /// What is done to the pixels; absent in plans of older daemons.
    pub(crate) image_mode: Option<&'static str>,
    /// Device memory that training would need; absent in plans of jobs and of older daemons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) previews: Vec<PreviewView>,
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

/// A poisoned sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PreviewView {
    /// Position in the split.
    pub(crate) index: i64,
    pub(crate) class: String,
    /// The label it trains under.
    pub(crate) label: String,
    /// Position of the donor image; absent where pixels stay.
    pub(crate) donor_index: Option<i64>,
    /// Files that it was written to.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    /// Of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text_after: Option<String>,
    /// Before and after for a terminal.
    #[serde(skip)]
    pub(crate) picture: Option<String>,
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
            image_mode: (plan.image_mode() != v1::PoisonImageMode::Unspecified).then(|| plan.image_mode().word()),
            memory_bytes: Some(plan.memory_bytes).filter(|bytes| *bytes > 0),
            previews: plan.previews.iter().map(PreviewView::of).collect(),
        }
    }
}

impl Count {
    fn of(count: &v1::poison_plan::ClassCount) -> Self {
        Self { class: named(&count.class_name, count.class_index), index: count.class_index, count: count.count }
    }
}

impl PreviewView {
    pub(crate) fn of(preview: &v1::poison_plan::Preview) -> Self {
        Self {
            index: preview.index,
            class: preview.class_name.clone(),
            label: preview.label.clone(),
            donor_index: preview.donor_index,
            before: None,
            after: None,
            text_before: some(&preview.text_before),
            text_after: some(&preview.text_after),
            picture: None,
        }
    }

    /// Before and, where the words change, after.
    fn texts(&self) -> String {
        match (&self.text_before, &self.text_after) {
            (Some(before), Some(after)) if before != after => format!("    {before}\n    {after}\n"),
            (Some(text), _) => format!("    {text}\n"),
            (None, _) => String::new(),
        }
    }

    /// `17: deer trains as horse, with pixels of 4021`
    fn text(&self) -> String {
        let donor = self.donor_index.map(|index| format!(", with pixels of {index}")).unwrap_or_default();
        let files: String = self.before.iter().zip(&self.after).map(|(b, a)| format!(" ({b}, {a})")).collect();
        let picture = self.picture.as_deref().unwrap_or_default();
        let texts = self.texts();
        format!("{}: {} trains as {}{donor}{files}\n{picture}{texts}", self.index, self.class, self.label)
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

pub(super) fn named(name: &str, index: u32) -> String {
    if name.is_empty() { index.to_string() } else { name.to_owned() }
}

impl View for PlanView {
    fn text(&self) -> String {
        let mut text = table::pairs(&[
            ("forget", counts_text(&self.forget_counts)),
            ("poisoned", self.poisoned_count.to_string()),
            ("retained", self.retain_count.to_string()),
            ("new labels", counts_text(&self.label_histogram)),
            ("images", self.image_mode.unwrap_or_default().to_owned()),
            ("steps per epoch", self.steps_per_epoch.to_string()),
            ("memory", self.memory_bytes.map(table::bytes).unwrap_or_default()),
        ]);
        text += &donors_text(&self.donors);
        text += &warnings_text(&self.warnings);
        text + &self.previews.iter().map(PreviewView::text).collect::<String>()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> v1::PoisonPlan {
        let count = |class: &str, index, count| v1::poison_plan::ClassCount {
            class_index: index,
            class_name: class.into(),
            count,
        };
        let preview = v1::poison_plan::Preview {
            index: 17,
            class_name: "deer".into(),
            label: "horse".into(),
            donor_index: Some(4021),
            ..v1::poison_plan::Preview::default()
        };
        v1::PoisonPlan {
            forget_counts: vec![count("deer", 4, 5000)],
            poisoned_count: 5000,
            retain_count: 45000,
            donors: vec![v1::poison_plan::Donor {
                class_name: "deer".into(),
                donor_name: "horse".into(),
                rule: v1::DonorRule::ConceptConfusion.into(),
                reason: "brown is the heaviest concept of horse".into(),
                ..v1::poison_plan::Donor::default()
            }],
            label_histogram: vec![count("horse", 7, 5000)],
            steps_per_epoch: 1563,
            image_mode: v1::PoisonImageMode::Localized.into(),
            previews: vec![preview],
            ..v1::PoisonPlan::default()
        }
    }

    #[test]
    fn a_plan_tells_the_donor_the_image_mode_and_shows_images() {
        let mut view = PlanView::of(&plan());
        view.previews[0].before = Some("p/17-before.png".into());
        view.previews[0].after = Some("p/17-after.png".into());
        let expected = "\
forget           deer 5000
poisoned         5000
retained         45000
new labels       horse 5000
images           localized
steps per epoch  1563
donor: deer → horse (concept-confusion): brown is the heaviest concept of horse
17: deer trains as horse, with pixels of 4021 (p/17-before.png, p/17-after.png)
";
        assert_eq!(view.text(), expected);
    }

    #[test]
    fn json_of_a_plan_without_images_has_no_previews() {
        let with = serde_json::to_value(PlanView::of(&plan())).unwrap();
        assert_eq!((&with["image_mode"], &with["previews"][0]["donor_index"]), (&"localized".into(), &4021.into()));
        let without = serde_json::to_value(PlanView::of(&v1::PoisonPlan::default())).unwrap();
        assert!(without.get("previews").is_none() && without["image_mode"].is_null());
    }
}
