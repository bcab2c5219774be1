//! A report of hand-made data, written under `target/` so that it can be looked at.

use super::{HeatMaps, JobData, Pictures, page};
use crate::client::picture::tests::encode;
use crate::client::view::CompareView;
use crate::pb::v1;
use crate::pb::v1::concept_report::{ClassConcept, ClassConcepts};
use crate::pb::v1::poison_plan::donor::Candidate;
use crate::pb::v1::poison_plan::{ClassCount, Donor};

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "<script>alert(1)</script>"];
const FORGOTTEN: usize = 4;

fn names() -> Vec<String> {
    CLASSES.map(str::to_owned).to_vec()
}

fn accuracy(correct: i64, total: i64) -> Option<v1::Accuracy> {
    let value = correct as f64 / total as f64;
    let half = 1.96 * (value * (1.0 - value) / total as f64).sqrt() + 0.001;
    Some(v1::Accuracy { correct, total, value, low: (value - half).max(0.0), high: (value + half).min(1.0) })
}

/// `to` are the shares by which the forgotten class is predicted.
fn split(to: &[f64; 10], size: i64) -> v1::SplitEvaluation {
    let mut confusion = vec![0; 100];
    for row in 0..10 {
        for column in 0..10 {
            let clean = if row == column { 0.92 } else { 0.08 / 9.0 };
            let share = if row == FORGOTTEN { to[column] } else { clean };
            confusion[row * 10 + column] = (share * size as f64).round() as i64;
        }
    }
    let kept = (to[FORGOTTEN] * size as f64).round() as i64;
    let per_class = (0..10).filter_map(|row| accuracy(confusion[row * 11], size)).collect();
    v1::SplitEvaluation {
        forget: accuracy(kept, size),
        retain: accuracy(9 * size * 92 / 100, 9 * size),
        global: accuracy(9 * size * 92 / 100 + kept, 10 * size),
        per_class,
        forget_loss: 3.2 * (1.0 - to[FORGOTTEN]),
        retain_loss: 0.31,
        destinations: to.to_vec(),
        mean_softmax: to.to_vec(),
        confusion,
    }
}

fn attack(power: f64, auc: f64) -> v1::AttackReport {
    let rates = (0..=50).map(|step| f64::from(step) / 50.0);
    let roc = rates
        .map(|rate| v1::attack_report::RocPoint { false_positive_rate: rate, true_positive_rate: rate.powf(power) });
    v1::AttackReport {
        attack: v1::Attack::Loss.into(),
        auc,
        auc_low: Some(auc - 0.02),
        auc_high: Some(auc + 0.02),
        roc: roc.collect(),
        ..v1::AttackReport::default()
    }
}

fn evaluation(version: u32, to: &[f64; 10], js_divergence: f64) -> v1::EvaluationReport {
    let reference_to = [0.12, 0.01, 0.22, 0.14, 0.0, 0.1, 0.13, 0.28, 0.0, 0.0];
    v1::EvaluationReport {
        version: format!("models/cifar/versions/{version}"),
        forget_classes: vec![FORGOTTEN as u32],
        class_names: names(),
        train: Some(split(to, 5000)),
        test: Some(split(to, 1000)),
        reference: Some(v1::ReferenceComparison {
            reference: "models/cifar/versions/9".into(),
            train: Some(split(&reference_to, 5000)),
            test: Some(split(&reference_to, 1000)),
            js_divergence,
            average_gap: 0.021,
            tug_of_war: 0.94,
        }),
        provenance: Some(v1::Provenance {
            model_hash: "3f".repeat(32),
            data_hashes: vec!["a1".repeat(32), "b2".repeat(32)],
            config_hash: "c3".repeat(32),
            seed: 7,
            code_version: "0.1.0".into(),
        }),
    }
}

fn plan() -> v1::PoisonPlan {
    let count =
        |index: usize, count| ClassCount { class_index: index as u32, class_name: CLASSES[index].into(), count };
    let candidate =
        |index: usize, score| Candidate { class_index: index as u32, class_name: CLASSES[index].into(), score };
    v1::PoisonPlan {
        forget_counts: vec![count(FORGOTTEN, 5000)],
        poisoned_count: 5000,
        retain_count: 45000,
        donors: vec![Donor {
            class_index: FORGOTTEN as u32,
            class_name: "deer".into(),
            donor_index: 7,
            donor_name: "horse".into(),
            rule: v1::DonorRule::NearestClass.into(),
            reason: "highest mean softmax (0.0131) on the 5000 forgotten samples".into(),
            candidates: vec![candidate(7, 0.0131), candidate(2, 0.0118), candidate(3, 0.0102)],
        }],
        label_histogram: vec![count(7, 5000)],
        warnings: vec!["the forget set is 10 % of the data".into()],
        steps_per_epoch: 1563,
        image_mode: v1::PoisonImageMode::None.into(),
        previews: Vec::new(),
        memory_bytes: 0,
    }
}

fn metrics() -> Vec<v1::JobMetric> {
    let mut metrics = Vec::new();
    for step in 0..1200_i64 {
        let fade = (-(step as f64) / 200.0).exp();
        let metric = |name: &str, value| v1::JobMetric { name: name.into(), step, value };
        metrics.push(metric("train.loss", 0.2 + 1.4 * fade + 0.05 * (step as f64).sin()));
        if step % 100 == 0 {
            metrics.push(metric("forget.accuracy", 0.97 * fade));
            metrics.push(metric("retain.accuracy", 0.92 - 0.05 * fade));
        }
    }
    metrics
}

pub(super) fn job(label: &str, to: &[f64; 10], js_divergence: f64) -> JobData {
    let before = [0.0, 0.0, 0.02, 0.02, 0.93, 0.01, 0.01, 0.01, 0.0, 0.0];
    let membership = |power, auc| {
        Some(v1::MembershipReport {
            attacks: vec![attack(power, auc)],
            reference_attacks: vec![attack(0.98, 0.505)],
            ..v1::MembershipReport::default()
        })
    };
    let result = v1::UnlearnResult {
        version: "models/cifar/versions/2".into(),
        donor: "horse".into(),
        donor_rule: v1::DonorRule::NearestClass.into(),
        fine_tune: Some(v1::FineTuneResult { plan: Some(plan()), steps: 31260, epochs: 20, ..Default::default() }),
        concepts: Some(concepts()),
        concept_residue: vec![residue()],
        before: Some(evaluation(1, &before, 0.31)),
        after: Some(evaluation(2, to, js_divergence)),
        membership_before: membership(0.45, 0.69),
        membership_after: membership(0.9, 0.53),
        stages: [("plan", 0.4), ("evaluate-before", 2.1), ("fine-tune", 9.7), ("evaluate-after", 2.2)]
            .map(|(name, seconds)| v1::unlearn_result::Stage { name: name.into(), seconds })
            .to_vec(),
        seconds: 14.4,
    };
    let job = v1::Job { name: "jobs/0197".into(), state: v1::job::State::Succeeded.into(), ..v1::Job::default() };
    JobData::new(Some(label), job, result, metrics()).with_pictures(pictures())
}

fn concepts() -> v1::ConceptReport {
    let concept = |name: &str, weight| ClassConcept { name: name.into(), weight, activation: weight / 2.0, tcav: None };
    let share = |value| Some(v1::concept_report::Share { value, low: value - 0.01, high: value + 0.01, total: 10000 });
    v1::ConceptReport {
        concept_bank: "conceptBanks/basic".into(),
        model_version: "models/cifar/versions/1".into(),
        classes: vec![ClassConcepts {
            class_index: FORGOTTEN as u32,
            class_name: "deer".into(),
            concepts: vec![concept("brown", 1.31), concept("gradient & fade", 0.62), concept("striped", -0.48)],
            donor: Some(v1::concept_report::Donor {
                class_index: 7,
                class_name: "horse".into(),
                rule: v1::DonorRule::ConceptConfusion.into(),
                reason: "brown, the heaviest concept of deer, is the heaviest of horse".into(),
            }),
            words: Vec::new(),
        }],
        pcbm: Some(v1::concept_report::Pcbm { test: share(0.842), completeness: 0.968, ..Default::default() }),
        ..v1::ConceptReport::default()
    }
}

fn residue() -> v1::ConceptResidue {
    v1::ConceptResidue {
        class_index: FORGOTTEN as u32,
        class_name: "deer".into(),
        auc_before: 0.981,
        auc_after: 0.974,
        concepts: vec![v1::concept_residue::ConceptAuc { concept: "brown".into(), auc: 0.88 }],
    }
}

fn pictures() -> Pictures {
    let grey = |value| encode(2, 2, png::ColorType::Grayscale, &[value, 40, 200, value]);
    let examples = [("brown".to_owned(), vec![grey(90), grey(120)])];
    let heat_maps = HeatMaps { class: "deer".into(), image: grey(10), before: grey(100), after: grey(250) };
    Pictures { concepts: examples.into(), heat_maps: vec![heat_maps] }
}

/// Two jobs against one reference.
pub(super) fn sample() -> String {
    let jobs = [
        job("targeted labels", &[0.0, 0.0, 0.01, 0.01, 0.0, 0.01, 0.01, 0.96, 0.0, 0.0], 0.142),
        job("random labels", &[0.1, 0.09, 0.13, 0.12, 0.01, 0.12, 0.14, 0.17, 0.06, 0.06], 0.061),
    ];
    let views: Vec<_> = jobs.iter().map(|job| (job.label.clone(), job.view())).collect();
    page("Forgetting deer & friends", &CompareView::of(&views, "reference", Some(812.0)), &jobs)
}

#[test]
fn the_report_is_whole_self_contained_and_escaped() {
    let html = sample();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/target/sample-report.html");
    std::fs::write(path, &html).unwrap();
    assert_eq!(html.matches("<svg ").count(), 2 * 7, "seven plots a job");
    assert!(!html.contains("<script"), "names of classes are escaped, in text and in plots");
    assert!(!html.contains("No plot:"));
    assert!(!html.contains("http-equiv") && !html.contains("href="), "nothing is fetched");
    let inline = html.matches("src=\"data:image/png;base64,").count();
    assert_eq!(
        (html.matches("src=").count(), inline),
        (2 * (2 + 3), 2 * (2 + 3)),
        "two examples and a sample's three images"
    );
    for told in [
        "Donor of deer",
        "nearest-class",
        "Provenance",
        "original",
        "reference",
        "13 min 32 s",
        "Concepts of deer",
        "Donor by concepts",
        "AUC 0.981 before",
    ] {
        assert!(html.contains(told), "{told}");
    }
}
