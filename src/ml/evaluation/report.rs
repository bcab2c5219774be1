//! The evaluation report of a version, from its predictions and those of a reference on the same samples.

use super::accuracy::evaluate_split;
use super::comparison::{Figures, compare};
use super::predictions::Predictions;
use crate::domain::evaluation::{EvaluationReport, Provenance, ReferenceComparison, SplitEvaluation};
use crate::domain::ids::VersionName;
use crate::domain::{Error, Result};

/// A model's predictions on one split, and which samples belong to the forget set.
#[derive(Debug, Clone, Copy)]
pub struct SplitInput<'a> {
    pub predictions: &'a Predictions,
    pub forget: &'a [bool],
}

/// A reference's predictions on the same samples in the same order.
#[derive(Debug, Clone)]
pub struct ReferenceInput<'a> {
    pub version: VersionName,
    pub train: Option<&'a Predictions>,
    pub test: &'a Predictions,
}

#[derive(Debug, Clone)]
pub struct ReportInput<'a> {
    pub version: VersionName,
    pub forget_classes: Vec<u32>,
    pub train: Option<SplitInput<'a>>,
    pub test: SplitInput<'a>,
    pub reference: Option<ReferenceInput<'a>>,
    pub provenance: Provenance,
}

/// Evaluates a version, and compares it with the reference where there is one.
///
/// Fails on predictions that `Predictions::validate` refuses, and when the reference was not run on the same samples.
pub fn evaluate(input: ReportInput<'_>) -> Result<EvaluationReport> {
    let figures = figures(input.train, input.test)?;
    if input.test.predictions.class_count == 0 {
        return Ok(without_classes(input));
    }
    let reference = input.reference.as_ref().map(|reference| against(reference, &input, &figures)).transpose()?;
    Ok(EvaluationReport {
        version: input.version,
        forget_classes: input.forget_classes,
        train: figures.train,
        test: figures.test,
        reference,
        provenance: input.provenance,
    })
}

/// Texts without labels: nothing to count but what is said of their tokens elsewhere.
fn without_classes(input: ReportInput<'_>) -> EvaluationReport {
    let nothing = |reference: ReferenceInput<'_>| ReferenceComparison {
        reference: reference.version,
        train: input.train.map(|_| SplitEvaluation::default()),
        test: SplitEvaluation::default(),
        js_divergence: 0.0,
        average_gap: 0.0,
        tug_of_war: 0.0,
    };
    EvaluationReport {
        reference: input.reference.map(nothing),
        version: input.version,
        forget_classes: Vec::new(),
        train: input.train.map(|_| SplitEvaluation::default()),
        test: SplitEvaluation::default(),
        provenance: input.provenance,
    }
}

fn figures(train: Option<SplitInput<'_>>, test: SplitInput<'_>) -> Result<Figures> {
    Ok(Figures { train: train.map(split).transpose()?, test: split(test)? })
}

fn split(input: SplitInput<'_>) -> Result<SplitEvaluation> {
    if input.predictions.class_count == 0 {
        return Ok(SplitEvaluation::default());
    }
    evaluate_split(input.predictions, input.forget)
}

fn against(reference: &ReferenceInput<'_>, input: &ReportInput<'_>, version: &Figures) -> Result<ReferenceComparison> {
    let train = match (input.train, reference.train) {
        (Some(train), Some(predictions)) => Some(same_samples(train, predictions)?),
        (None, _) | (_, None) => None,
    };
    let test = same_samples(input.test, reference.test)?;
    Ok(compare(version, reference.version.clone(), figures(train, test)?))
}

fn same_samples<'a>(version: SplitInput<'a>, reference: &'a Predictions) -> Result<SplitInput<'a>> {
    let (ours, theirs) = (version.predictions.class_count, reference.class_count);
    if ours != theirs {
        let message =
            format!("the reference has {theirs} classes, the model {ours}; give one of the same architecture");
        return Err(Error::invalid("REFERENCE_MISMATCH", "reference", message));
    }
    if version.predictions.labels != reference.labels {
        return Err(Error::internal("model and reference were not evaluated on the same samples"));
    }
    Ok(SplitInput { predictions: reference, forget: version.forget })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(correct: bool) -> Predictions {
        let logits = if correct { vec![1.0, 0.0, 0.0, 1.0] } else { vec![0.0, 1.0, 0.0, 1.0] };
        Predictions { class_count: 2, logits, labels: vec![0, 1] }
    }

    fn input<'a>(own: &'a Predictions, reference: &'a Predictions) -> ReportInput<'a> {
        ReportInput {
            version: "models/m/versions/2".parse().unwrap(),
            forget_classes: vec![0],
            train: None,
            test: SplitInput { predictions: own, forget: &[true, false] },
            reference: Some(ReferenceInput {
                version: "models/m/versions/1".parse().unwrap(),
                train: None,
                test: reference,
            }),
            provenance: Provenance::default(),
        }
    }

    #[test]
    fn report_holds_the_version_and_its_distance_from_the_reference() {
        let (own, reference) = (predictions(false), predictions(true));
        let report = evaluate(input(&own, &reference)).unwrap();
        assert_eq!((report.test.forget.value, report.test.retain.value), (0.0, 1.0));
        let comparison = report.reference.unwrap();
        assert_eq!((comparison.average_gap, comparison.tug_of_war), (0.5, 0.0));
        assert!(comparison.js_divergence > 0.0);
    }

    #[test]
    fn a_reference_of_another_shape_is_refused() {
        let own = predictions(false);
        let reference = Predictions { class_count: 4, logits: vec![0.0; 8], labels: vec![0, 1] };
        assert_eq!(evaluate(input(&own, &reference)).unwrap_err().reason, "REFERENCE_MISMATCH");
    }
}
