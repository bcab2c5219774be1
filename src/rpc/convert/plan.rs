//! unlearning.proto: the plan of a poisoning, with class names beside class indices.

use super::fields::wire_count;
use super::names::ClassNames;
use crate::domain::poison::{Donor, PoisonPlan};
use crate::engine::{PoisonPreview, Shown};
use crate::pb::v1 as pb;
use crate::pb::v1::poison_plan::{ClassCount, Donor as WireDonor, donor::Candidate};

impl pb::PoisonPlan {
    pub(in crate::rpc) fn named(value: PoisonPlan, names: &ClassNames) -> Self {
        let PoisonPlan {
            forget_counts,
            poisoned_count,
            retain_count,
            donors,
            label_histogram,
            warnings,
            steps_per_epoch,
            image_mode,
        } = value;
        Self {
            forget_counts: class_counts(forget_counts, names),
            poisoned_count: wire_count(poisoned_count),
            retain_count: wire_count(retain_count),
            donors: donors.into_iter().map(|donor| named_donor(donor, names)).collect(),
            label_histogram: class_counts(label_histogram, names),
            warnings,
            steps_per_epoch: wire_count(steps_per_epoch),
            image_mode: pb::PoisonImageMode::from(image_mode).into(),
            previews: Vec::new(),
            memory_bytes: 0,
        }
    }
}

impl pb::poison_plan::Preview {
    pub(in crate::rpc) fn named(value: PoisonPreview, names: &ClassNames) -> Self {
        let PoisonPreview { position, class, label, donor_position, shown } = value;
        let (before, after, text_before, text_after) = match shown {
            Shown::Images { before, after } => (before, after, String::new(), String::new()),
            Shown::Texts { before, after } => (Vec::new(), Vec::new(), before, after),
        };
        Self {
            index: wire_count(position),
            class_name: names.of(class),
            label: names.of(label),
            donor_index: donor_position.map(wire_count),
            before,
            after,
            text_before,
            text_after,
        }
    }
}

fn class_counts(counts: Vec<(u32, u64)>, names: &ClassNames) -> Vec<ClassCount> {
    let named =
        |(class_index, count)| ClassCount { class_index, class_name: names.of(class_index), count: wire_count(count) };
    counts.into_iter().map(named).collect()
}

fn named_donor(value: Donor, names: &ClassNames) -> WireDonor {
    let Donor { class, donor, rule, reason, candidates } = value;
    let candidate = |(class_index, score)| Candidate { class_index, class_name: names.of(class_index), score };
    WireDonor {
        class_index: class,
        class_name: names.of(class),
        donor_index: donor,
        donor_name: names.of(donor),
        rule: pb::DonorRule::from(rule).into(),
        reason,
        candidates: candidates.into_iter().map(candidate).collect(),
    }
}
