//! The outcome of membership-inference attacks.

use comfy_table::CellAlignment;
use serde::Serialize;

use super::{ProvenanceView, View, some};
use crate::client::words::Words;
use crate::client::{names, table};
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct MembershipView {
    pub(crate) job: Option<String>,
    pub(crate) version: String,
    pub(crate) member_count: i64,
    pub(crate) non_member_count: i64,
    /// AUC of the loss attack.
    pub(crate) mia_auc: Option<f64>,
    pub(crate) attacks: Vec<AttackView>,
    pub(crate) reference: Option<String>,
    pub(crate) reference_attacks: Vec<AttackView>,
    pub(crate) provenance: Option<ProvenanceView>,
}

#[derive(Debug, Serialize)]
pub(crate) struct AttackView {
    pub(crate) attack: &'static str,
    pub(crate) auc: f64,
    pub(crate) auc_interval: Option<[f64; 2]>,
    pub(crate) balanced_accuracy: f64,
    pub(crate) advantage: f64,
    pub(crate) rate: Option<f64>,
    /// `[false-positive rate, true-positive rate]`
    pub(crate) tpr_at_fpr: Vec<[f64; 2]>,
    pub(crate) flags: Vec<&'static str>,
}

impl MembershipView {
    pub(crate) fn of(job: Option<&str>, report: &v1::MembershipReport) -> Self {
        Self {
            job: job.map(str::to_owned),
            version: report.version.clone(),
            member_count: report.member_count,
            non_member_count: report.non_member_count,
            mia_auc: attack_named(&report.attacks, v1::Attack::Loss).map(|attack| attack.auc),
            attacks: report.attacks.iter().map(AttackView::of).collect(),
            reference: some(&report.reference),
            reference_attacks: report.reference_attacks.iter().map(AttackView::of).collect(),
            provenance: ProvenanceView::of(report.provenance.as_ref()),
        }
    }
}

impl AttackView {
    fn of(report: &v1::AttackReport) -> Self {
        let pair = |point: &v1::attack_report::RocPoint| [point.false_positive_rate, point.true_positive_rate];
        Self {
            attack: v1::Attack::word_of(report.attack),
            auc: report.auc,
            auc_interval: report.auc_low.zip(report.auc_high).map(<[f64; 2]>::from),
            balanced_accuracy: report.balanced_accuracy,
            advantage: report.advantage,
            rate: report.rate,
            tpr_at_fpr: report.tpr_at_fpr.iter().map(pair).collect(),
            flags: report.flags.iter().map(|flag| v1::attack_report::Flag::word_of(*flag)).collect(),
        }
    }
}

pub(crate) fn attack_named(attacks: &[v1::AttackReport], wanted: v1::Attack) -> Option<&v1::AttackReport> {
    attacks.iter().find(|report| report.attack() == wanted)
}

impl View for MembershipView {
    fn text(&self) -> String {
        let (members, others) = (self.member_count, self.non_member_count);
        let mut text = format!("{}: {members} members, {others} non-members\n\n", names::short(&self.version));
        text += &attacks_table(&self.attacks, &self.reference_attacks);
        text
    }
}

fn attacks_table(attacks: &[AttackView], reference: &[AttackView]) -> String {
    let mut table =
        table::of_figures(&["attack", "AUC", "advantage", "TPR at 1 % FPR", "rate", "reference AUC", "flags"]);
    if let Some(flags) = table.column_mut(6) {
        flags.set_cell_alignment(CellAlignment::Left);
    }
    for attack in attacks {
        let twin = reference.iter().find(|twin| twin.attack == attack.attack);
        table.add_row([
            attack.attack.to_owned(),
            auc_text(attack),
            format!("{:.3}", attack.advantage),
            table::optional(attack.tpr_at_fpr.get(1).map(|point| point[1]), table::percent),
            table::optional(attack.rate, |rate| format!("{rate:.3}")),
            twin.map_or_else(|| table::ABSENT.to_owned(), auc_text),
            attack.flags.join(", "),
        ]);
    }
    table::text(&table)
}

fn auc_text(attack: &AttackView) -> String {
    match attack.auc_interval {
        Some([low, high]) => format!("{:.3} [{low:.3}, {high:.3}]", attack.auc),
        None => format!("{:.3}", attack.auc),
    }
}
