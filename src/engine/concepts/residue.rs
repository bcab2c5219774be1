//! Whether forgotten classes can still be told by their concepts, before and after.

use super::super::failure::blocking;
use super::super::lane::Lane;
use super::super::sources::{ModelUse, Samples};
use super::evidence::Insight;
use super::layer::{LAYER_SAMPLES, embed};
use super::sampling::stratified;
use crate::domain::concept::ConceptResidue;
use crate::domain::finetune::Precision;
use crate::domain::{Error, Result};
use crate::ml::concept::projection::project;
use crate::ml::concept::residue::{ProbedResidue, probe};

/// Concepts listed for each class.
const LISTED: usize = 5;

/// Projections of training and held-out samples under one version.
#[derive(Debug, Clone)]
struct Side {
    train: Vec<f32>,
    test: Vec<f32>,
}

/// Where the probes look.
#[derive(Debug)]
pub(in crate::engine) struct Probe<'a> {
    pub(in crate::engine) lane: &'a Lane,
    pub(in crate::engine) train: &'a Samples,
    pub(in crate::engine) test: &'a Samples,
    pub(in crate::engine) insight: &'a Insight,
    pub(in crate::engine) precision: Precision,
}

impl Probe<'_> {
    async fn side(&self, model: &ModelUse, test: Vec<usize>) -> Result<Side> {
        let (lane, bank) = (self.lane, &self.insight.bank);
        let train = embed(lane, model, self.train, self.insight.layer.positions.clone(), self.precision).await?;
        let test = embed(lane, model, self.test, test, self.precision).await?;
        let project = |values: &[f32]| project(values, &bank.vectors, bank.normalize_input);
        Ok(Side { train: project(&train.values), test: project(&test.values) })
    }
}

/// One entry for each of `classes` that both splits hold beside others; the concepts are those of the version before.
pub(in crate::engine) async fn residue(
    probe: Probe<'_>,
    before: &ModelUse,
    after: &ModelUse,
    classes: Vec<u32>,
) -> Result<Vec<ConceptResidue>> {
    let positions = stratified(&probe.test.labels, LAYER_SAMPLES, 0);
    let test_labels = probe.test.labels_at(&positions);
    let first = probe.side(before, positions.clone()).await?;
    let second = probe.side(after, positions).await?;
    let (train_labels, names) = (probe.insight.layer.labels.clone(), probe.insight.bank.names.clone());
    blocking(move || {
        let of = |side: &Side, class: u32| {
            let own = |labels: &[u32]| -> Vec<bool> { labels.iter().map(|label| *label == class).collect() };
            let (train, test) = (own(&train_labels), own(&test_labels));
            self::probe(&side.train, &train, &side.test, &test, names.len(), &names)
        };
        let entry = |class: u32| {
            let (before, after) = (of(&first, class)?, of(&second, class)?);
            let ProbedResidue { auc, mut concepts } = after;
            concepts.truncate(LISTED);
            Ok::<_, Error>(ConceptResidue { class, auc_before: before.auc, auc_after: auc, concepts })
        };
        // A class that one side lacks leaves nothing to probe.
        let probed = |class: u32| match entry(class) {
            Err(error) if error.reason == "RESIDUE_NEEDS_BOTH_SIDES" => None,
            entry => Some(entry),
        };
        classes.into_iter().filter_map(probed).collect()
    })
    .await
}
