//! concepts.proto: what is extracted with a bank. jobs.proto: what is left after unlearning.

use super::common::{each, precision, required_source};
use super::fields::{at_most, known, number, or, parsed, required_text, share, wire_count, within};
use super::names::ClassNames;
use super::words::basis;
use crate::domain::concept::{
    ClassConcept, ClassConcepts, ConceptBasis, ConceptPurity, ConceptReport, ConceptResidue, ConceptSign,
    DonorSuggestion, ExtractConceptsSpec, PcbmReport, PcbmSpec, TcavResult, TcavSpec,
};
use crate::domain::dataset::DataSource;
use crate::domain::evaluation::Accuracy;
use crate::domain::{Error, Result};
use crate::engine::DEFAULT_CONCEPT_SAMPLES;
use crate::pb::v1 as pb;
use crate::pb::v1::concept_report::{self, Share};

const MAX_CLASSES: usize = 10_000;
const MAX_TOP_CONCEPTS: u32 = 10_000;
const DEFAULT_TOP_CONCEPTS: u32 = 5;
const MAX_SAMPLES: u32 = 1_000_000;
const MAX_RUNS: u32 = 500;

impl TryFrom<pb::ExtractConceptsRequest> for ExtractConceptsSpec {
    type Error = Error;

    fn try_from(value: pb::ExtractConceptsRequest) -> Result<Self> {
        let basis = basis(&value)?;
        let pb::ExtractConceptsRequest {
            concept_bank: _,
            model,
            train,
            test,
            classes,
            top_concepts,
            sign,
            pcbm,
            tcav,
            max_samples,
            precision: precision_number,
            seed,
            request_id: _,
            priority: _,
            timeout: _,
            words: _,
        } = value;
        at_most(classes.len(), MAX_CLASSES, "classes")?;
        Ok(Self {
            basis,
            model: parsed(&model, "model")?,
            train: required_source(train, "train")?,
            test: test.map(DataSource::try_from).transpose().map_err(|error| error.under("test"))?,
            classes: each(classes, "classes", |class| required_text(class, ""))?,
            top_concepts: within(or(top_concepts, DEFAULT_TOP_CONCEPTS), 1..=MAX_TOP_CONCEPTS, "top_concepts")?,
            sign: concept_sign(sign)?,
            pcbm: PcbmSpec::try_from(pcbm.unwrap_or_default()).map_err(|error| error.under("pcbm"))?,
            tcav: tcav.map(TcavSpec::try_from).transpose().map_err(|error| error.under("tcav"))?,
            max_samples: within(or(max_samples, DEFAULT_CONCEPT_SAMPLES), 2..=MAX_SAMPLES, "max_samples")?,
            precision: precision(precision_number, "precision")?,
            seed,
        })
    }
}

impl From<ExtractConceptsSpec> for pb::ExtractConceptsRequest {
    fn from(value: ExtractConceptsSpec) -> Self {
        let ExtractConceptsSpec {
            basis,
            model,
            train,
            test,
            classes,
            top_concepts,
            sign,
            pcbm,
            tcav,
            max_samples,
            precision,
            seed,
        } = value;
        let common = Self {
            model: model.to_string(),
            train: Some(train.into()),
            classes,
            top_concepts,
            seed,
            ..Self::default()
        };
        match basis {
            ConceptBasis::Words(options) => Self { words: Some(options.into()), ..common },
            ConceptBasis::Bank(bank) => Self {
                concept_bank: bank.to_string(),
                test: test.map(Into::into),
                sign: pb::ConceptSign::from(sign).into(),
                pcbm: Some(pcbm.into()),
                tcav: tcav.map(Into::into),
                max_samples,
                precision: pb::Precision::from(precision).into(),
                ..common
            },
        }
    }
}

fn concept_sign(number: i32) -> Result<ConceptSign> {
    Ok(match known(number, "sign")? {
        pb::ConceptSign::Unspecified | pb::ConceptSign::Positive => ConceptSign::Positive,
        pb::ConceptSign::Signed => ConceptSign::Signed,
        pb::ConceptSign::Absolute => ConceptSign::Absolute,
    })
}

impl From<ConceptSign> for pb::ConceptSign {
    fn from(value: ConceptSign) -> Self {
        match value {
            ConceptSign::Positive => Self::Positive,
            ConceptSign::Signed => Self::Signed,
            ConceptSign::Absolute => Self::Absolute,
        }
    }
}

impl TryFrom<pb::PcbmSpec> for PcbmSpec {
    type Error = Error;

    fn try_from(value: pb::PcbmSpec) -> Result<Self> {
        let pb::PcbmSpec { lambda, l1_ratio, standardize, multinomial, residual } = value;
        let default = Self::default();
        let strength = lambda.unwrap_or(default.lambda);
        Ok(Self {
            lambda: number(strength, |value| value > 0.0 && value <= 1e3, "above 0 and at most 1000", "lambda")?,
            l1_ratio: share(l1_ratio.unwrap_or(default.l1_ratio), "l1_ratio")?,
            standardize,
            multinomial,
            residual,
        })
    }
}

impl From<PcbmSpec> for pb::PcbmSpec {
    fn from(value: PcbmSpec) -> Self {
        let PcbmSpec { lambda, l1_ratio, standardize, multinomial, residual } = value;
        Self { lambda: Some(lambda), l1_ratio: Some(l1_ratio), standardize, multinomial, residual }
    }
}

impl TryFrom<pb::TcavSpec> for TcavSpec {
    type Error = Error;

    fn try_from(value: pb::TcavSpec) -> Result<Self> {
        let pb::TcavSpec { runs, random_sets, max_samples, alpha, pooled_variance } = value;
        let default = Self::default();
        let alpha = alpha.unwrap_or(default.alpha);
        Ok(Self {
            runs: within(or(runs, default.runs), 2..=MAX_RUNS, "runs")?,
            random_sets: within(or(random_sets, default.random_sets), 2..=MAX_RUNS, "random_sets")?,
            max_samples: within(or(max_samples, default.max_samples), 1..=MAX_SAMPLES, "max_samples")?,
            alpha: number(alpha, |alpha| alpha > 0.0 && alpha < 1.0, "above 0 and below 1", "alpha")?,
            pooled_variance,
        })
    }
}

impl From<TcavSpec> for pb::TcavSpec {
    fn from(value: TcavSpec) -> Self {
        let TcavSpec { runs, random_sets, max_samples, alpha, pooled_variance } = value;
        Self { runs, random_sets, max_samples, alpha: Some(alpha), pooled_variance }
    }
}

impl pb::ConceptReport {
    pub(super) fn named(value: ConceptReport, names: &ClassNames) -> Self {
        let ConceptReport { bank, version, classes, pcbm, words, purity, warnings, seconds, provenance } = value;
        // The report's purity names concepts by position; every concept of the bank is in it.
        let concept = |index: u32| concept_name(&purity, index);
        Self {
            concept_bank: bank.map(|bank| bank.to_string()).unwrap_or_default(),
            model_version: version.to_string(),
            purity: purity
                .iter()
                .map(|entry| concept_report::Purity {
                    concept: entry.name.clone(),
                    max_cross_auc: entry.max_cross_auc,
                    by: concept(entry.by),
                })
                .collect(),
            classes: classes.into_iter().map(|class| class_concepts(class, names)).collect(),
            pcbm: pcbm.map(Into::into),
            words: words.map(Into::into),
            warnings,
            seconds,
            provenance: Some(provenance.into()),
        }
    }
}

fn concept_name(purity: &[ConceptPurity], index: u32) -> String {
    purity.iter().find(|entry| entry.concept == index).map(|entry| entry.name.clone()).unwrap_or_default()
}

fn class_concepts(value: ClassConcepts, names: &ClassNames) -> concept_report::ClassConcepts {
    let ClassConcepts { class, concepts, donor, words } = value;
    concept_report::ClassConcepts {
        class_index: class,
        class_name: names.of(class),
        concepts: concepts.into_iter().map(Into::into).collect(),
        donor: donor.map(|donor| suggested_donor(donor, names)),
        words: words.into_iter().map(Into::into).collect(),
    }
}

fn suggested_donor(value: DonorSuggestion, names: &ClassNames) -> concept_report::Donor {
    let DonorSuggestion { donor, rule, reason, candidates: _ } = value;
    concept_report::Donor {
        class_index: donor,
        class_name: names.of(donor),
        rule: pb::DonorRule::from(rule).into(),
        reason,
    }
}

impl From<ClassConcept> for concept_report::ClassConcept {
    fn from(value: ClassConcept) -> Self {
        let ClassConcept { concept: _, name, weight, activation, tcav } = value;
        Self { name, weight, activation, tcav: tcav.map(Into::into) }
    }
}

impl From<TcavResult> for concept_report::Tcav {
    fn from(value: TcavResult) -> Self {
        let TcavResult { score, score_std, magnitude, random_score, p_value, significant } = value;
        Self { score, score_std, magnitude, random_score, p_value, significant }
    }
}

impl From<PcbmReport> for concept_report::Pcbm {
    fn from(value: PcbmReport) -> Self {
        let PcbmReport {
            spec: _,
            sample_count,
            weights,
            biases,
            train,
            test,
            model_train,
            model_test,
            residual_train,
            residual_test,
            completeness,
            nonzero_count,
            kkt_residual,
            iterations,
            converged,
        } = value;
        Self {
            sample_count: wire_count(sample_count),
            train: Some(train.into()),
            test: test.map(Into::into),
            model_train: Some(model_train.into()),
            model_test: model_test.map(Into::into),
            residual_train: residual_train.map(Into::into),
            residual_test: residual_test.map(Into::into),
            completeness,
            nonzero_count: wire_count(nonzero_count),
            kkt_residual,
            iterations,
            converged,
            weights,
            biases,
        }
    }
}

impl From<Accuracy> for Share {
    fn from(value: Accuracy) -> Self {
        let Accuracy { correct: _, total, value, low, high } = value;
        Self { value, low, high, total: wire_count(total) }
    }
}

impl pb::ConceptResidue {
    pub(super) fn named(value: ConceptResidue, names: &ClassNames) -> Self {
        let ConceptResidue { class, auc_before, auc_after, concepts } = value;
        let concept = |(concept, auc)| pb::concept_residue::ConceptAuc { concept, auc };
        Self {
            class_index: class,
            class_name: names.of(class),
            auc_before,
            auc_after,
            concepts: concepts.into_iter().map(concept).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> pb::ExtractConceptsRequest {
        pb::ExtractConceptsRequest {
            concept_bank: "conceptBanks/b".into(),
            model: "models/m".into(),
            train: Some(pb::DataSource { dataset: "d".into(), split: String::new() }),
            ..Default::default()
        }
    }

    fn violated(request: pb::ExtractConceptsRequest) -> String {
        ExtractConceptsSpec::try_from(request).unwrap_err().violations[0].field.clone()
    }

    #[test]
    fn defaults_are_those_of_the_method() {
        let asked = ExtractConceptsSpec::try_from(request()).unwrap();
        assert_eq!((asked.top_concepts, asked.pcbm, asked.tcav), (5, PcbmSpec::default(), None));
        let tested = pb::ExtractConceptsRequest { tcav: Some(pb::TcavSpec::default()), ..request() };
        assert_eq!(ExtractConceptsSpec::try_from(tested).unwrap().tcav, Some(TcavSpec::default()));
    }

    #[test]
    fn wrong_numbers_are_named() {
        let tcav = |tcav| pb::ExtractConceptsRequest { tcav: Some(tcav), ..request() };
        assert_eq!(violated(tcav(pb::TcavSpec { runs: 1, ..Default::default() })), "tcav.runs");
        assert_eq!(violated(tcav(pb::TcavSpec { alpha: Some(0.0), ..Default::default() })), "tcav.alpha");
        let pcbm = |pcbm| pb::ExtractConceptsRequest { pcbm: Some(pcbm), ..request() };
        assert_eq!(violated(pcbm(pb::PcbmSpec { lambda: Some(f64::NAN), ..Default::default() })), "pcbm.lambda");
        assert_eq!(violated(pcbm(pb::PcbmSpec { l1_ratio: Some(1.5), ..Default::default() })), "pcbm.l1_ratio");
        assert_eq!(violated(pb::ExtractConceptsRequest { concept_bank: String::new(), ..request() }), "concept_bank");
    }
}
