//! The outcome of an unlearning job: before and after, donor, destinations, what to do with the new version.

use serde::Serialize;

use super::figures::{Figures, side_by_side};
use super::plan::{DonorView, donors_text, warnings_text};
use super::{
    ConceptReportView, PlanView, ProvenanceView, ResidueView, Share, View, class_name, finetune, share, shares, some,
};
use crate::client::words::Words;
use crate::client::{names, table};
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct UnlearnView {
    pub(crate) job: String,
    pub(crate) version: String,
    pub(crate) parent: String,
    pub(crate) forget_classes: Vec<String>,
    /// Absent when labels have no donor, or several.
    pub(crate) donor: Option<String>,
    pub(crate) donor_rule: Option<&'static str>,
    pub(crate) seconds: f64,
    pub(crate) before: Figures,
    pub(crate) after: Figures,
    pub(crate) reference: Option<Figures>,
    pub(crate) js_to_reference: Option<f64>,
    /// What the forget samples of the test split are now taken for.
    pub(crate) destinations: Vec<Share>,
    pub(crate) donors: Vec<DonorView>,
    /// What the forgotten classes owed to concepts before; absent for a model without an embedding.
    pub(crate) concepts: Option<ConceptReportView>,
    /// Whether they can still be told by their concepts.
    pub(crate) concept_residue: Vec<ResidueView>,
    pub(crate) stages: Vec<StageView>,
    pub(crate) training: Training,
    pub(crate) warnings: Vec<String>,
    pub(crate) plan: Option<PlanView>,
    pub(crate) provenance: Option<ProvenanceView>,
    /// Whether the new version is served already.
    #[serde(skip)]
    pub(super) promoted: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct StageView {
    pub(crate) name: String,
    pub(crate) seconds: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Training {
    pub(crate) steps: i64,
    pub(crate) epochs: u32,
    pub(crate) seconds: f64,
    pub(crate) early_stopped: bool,
    pub(crate) flags: Vec<String>,
}

impl UnlearnView {
    pub(crate) fn of(job: &str, result: &v1::UnlearnResult) -> Self {
        let before = result.before.clone().unwrap_or_default();
        let after = result.after.clone().unwrap_or_default();
        let tuned = result.fine_tune.clone().unwrap_or_default();
        let membership_after = result.membership_after.as_ref();
        let figures_after = Figures::of(&after, membership_after);
        let plan = tuned.plan.as_ref().map(PlanView::of);
        let donors = plan.as_ref().map(|plan| plan.donors.clone()).unwrap_or_default();
        let destinations = after.test.as_ref().map(|test| shares(&test.destinations, &after.class_names));
        Self {
            job: job.to_owned(),
            version: result.version.clone(),
            parent: before.version.clone(),
            forget_classes: after.forget_classes.iter().map(|c| class_name(&after.class_names, *c as usize)).collect(),
            donor: some(&result.donor),
            donor_rule: donor_rule(result, &donors),
            seconds: result.seconds,
            before: Figures::of(&before, result.membership_before.as_ref()),
            js_to_reference: figures_after.js_to_reference,
            after: figures_after,
            reference: Figures::of_reference(&after, membership_after),
            destinations: destinations.unwrap_or_default(),
            donors,
            concepts: result.concepts.as_ref().map(|report| ConceptReportView::of(None, report)),
            concept_residue: result.concept_residue.iter().map(ResidueView::of).collect(),
            stages: result.stages.iter().map(StageView::of).collect(),
            warnings: finetune::warnings(&tuned).into_iter().chain(unattacked(membership_after)).collect(),
            training: Training::of(tuned),
            plan,
            provenance: ProvenanceView::of(after.provenance.as_ref()),
            promoted: false,
        }
    }

    /// Whether the daemon found so.
    pub(crate) fn is_forgotten(&self) -> bool {
        !self.training.flags.iter().any(|flag| flag == finetune::NOT_FORGOTTEN)
    }

    /// `deer`, or what else was forgotten.
    pub(crate) fn forgotten(&self) -> String {
        if self.forget_classes.is_empty() { "the forget set".to_owned() } else { self.forget_classes.join(", ") }
    }
}

/// Said where the forget set is too small for any attack (the daemon's `ATTACK_MINIMUM`).
fn unattacked(membership: Option<&v1::MembershipReport>) -> Option<String> {
    let report = membership.filter(|report| report.attacks.is_empty())?;
    Some(format!(
        "membership inference was left out: it needs at least 10 forgotten samples that were trained on and 10 that were not, and there \
         are {} and {}",
        report.member_count, report.non_member_count
    ))
}

fn donor_rule(result: &v1::UnlearnResult, donors: &[DonorView]) -> Option<&'static str> {
    let stated = result.donor_rule();
    if stated == v1::DonorRule::Unspecified { donors.first().map(|donor| donor.rule) } else { Some(stated.word()) }
}

impl StageView {
    fn of(stage: &v1::unlearn_result::Stage) -> Self {
        Self { name: stage.name.clone(), seconds: stage.seconds }
    }
}

impl Training {
    fn of(result: v1::FineTuneResult) -> Self {
        let v1::FineTuneResult { steps, epochs, seconds, early_stopped, flags, .. } = result;
        Self { steps, epochs, seconds, early_stopped, flags }
    }
}

impl View for UnlearnView {
    fn text(&self) -> String {
        let mut text = self.headline();
        text += &self.figures_text();
        text += &donors_text(&self.donors);
        text += &self.concepts_text();
        if !self.destinations.is_empty() {
            text += &format!("{} is now taken for: {}\n", self.forgotten(), share::top(&self.destinations, 4));
        }
        let stages: Vec<String> =
            self.stages.iter().map(|stage| format!("{} {}", stage.name, table::seconds(stage.seconds))).collect();
        text += &format!("time: {}\n", stages.join(", "));
        text += &warnings_text(&self.warnings);
        text + &self.next_steps()
    }
}

impl UnlearnView {
    fn headline(&self) -> String {
        let did = if self.is_forgotten() { "forgot" } else { "did NOT forget" };
        format!(
            "{} {did} {} in {} ({})\n\n",
            console::style(names::short(&self.version)).green().bold(),
            console::style(self.forgotten()).bold(),
            table::seconds(self.seconds),
            self.job
        )
    }

    fn figures_text(&self) -> String {
        let mut columns = vec![("before", &self.before), ("after", &self.after)];
        if let Some(reference) = &self.reference {
            columns.push(("reference", reference));
        }
        side_by_side(&columns) + "\n"
    }

    /// The concepts of each forgotten class, and how well it can be told by all of them before and after.
    fn concepts_text(&self) -> String {
        let classes = self.concepts.iter().flat_map(|report| &report.classes);
        let concepts = classes.map(|class| format!("concepts of {}\n", class.line()));
        let residues = self.concept_residue.iter().map(|residue| residue.text() + "\n");
        concepts.chain(residues).collect()
    }

    fn next_steps(&self) -> String {
        let (new, old) = (names::short(&self.version), names::short(&self.parent));
        let steps = [
            ("serve it", if self.promoted { String::new() } else { format!("unlearnctl model promote {new}") }),
            ("roll back", format!("unlearnctl model promote {old}")),
            ("export it", format!("unlearnctl model export {new}")),
            ("report", format!("unlearnctl report {}", self.job)),
        ];
        "\n".to_owned() + &table::pairs(&steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::view::concepts::tests::report;
    use crate::pb::v1::concept_residue::ConceptAuc;

    fn result() -> v1::UnlearnResult {
        let residue = v1::ConceptResidue {
            class_index: 4,
            class_name: "deer".into(),
            auc_before: 0.981,
            auc_after: 0.642,
            concepts: vec![ConceptAuc { concept: "brown".into(), auc: 0.61 }],
        };
        v1::UnlearnResult {
            version: "models/cifar/versions/2".into(),
            donor_rule: v1::DonorRule::ConceptConfusion.into(),
            concepts: Some(report()),
            concept_residue: vec![residue],
            ..v1::UnlearnResult::default()
        }
    }

    #[test]
    fn concepts_are_told_before_and_what_is_left_of_them_after() {
        let text = UnlearnView::of("jobs/7", &result()).text();
        let expected = "\
concepts of deer: brown +1.25, striped -0.50
deer is told by its concepts with AUC 0.981 before and 0.642 after, most by brown 0.61
";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn attacks_that_were_left_out_are_told() {
        let report = v1::MembershipReport { member_count: 4, non_member_count: 12, ..v1::MembershipReport::default() };
        let view = |report| {
            UnlearnView::of(
                "jobs/7",
                &v1::UnlearnResult { membership_after: Some(report), ..v1::UnlearnResult::default() },
            )
        };
        assert!(view(report.clone()).text().contains("there are 4 and 12"), "{}", view(report.clone()).text());
        let attacks = vec![v1::AttackReport::default()];
        assert!(view(v1::MembershipReport { attacks, ..report }).warnings.is_empty());
    }

    #[test]
    fn json_has_concepts_and_residue_and_is_empty_without_an_embedding() {
        let json = serde_json::to_value(UnlearnView::of("jobs/7", &result())).unwrap();
        assert_eq!(json["concepts"]["classes"][0]["concepts"][0]["concept"], "brown");
        assert_eq!(json["concept_residue"][0]["auc_after"], 0.642);
        assert_eq!(json["donor_rule"], "concept-confusion");
        let plain = serde_json::to_value(UnlearnView::of("jobs/7", &v1::UnlearnResult::default())).unwrap();
        assert_eq!((&plain["concepts"], &plain["concept_residue"]), (&serde_json::Value::Null, &serde_json::json!([])));
    }
}
