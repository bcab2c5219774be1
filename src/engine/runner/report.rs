//! Evaluation reports from predictions; pure, so it runs away from the async threads.

use super::super::sources::Samples;
use crate::domain::Result;
use crate::domain::evaluation::{EvaluationReport, Provenance, TextSides};
use crate::domain::ids::VersionName;
use crate::ml::evaluation::{Predictions, ReferenceInput, ReportInput, SplitInput, evaluate};

/// Which samples are counted as what.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// Whether each sample belongs to the forget set.
    train: Option<Vec<bool>>,
    test: Vec<bool>,
    forget_classes: Vec<u32>,
}

impl Frame {
    pub(super) fn new(train: Option<&Samples>, test: &Samples) -> Self {
        let forgotten = train.unwrap_or(test);
        let has_classes = forgotten.has_classes();
        let mut forget_classes = if has_classes { forgotten.labels_at(&forgotten.selected) } else { Vec::new() };
        forget_classes.sort_unstable();
        forget_classes.dedup();
        Self { train: train.map(Samples::mask), test: test.mask(), forget_classes }
    }
}

/// What one version answered on both splits.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    pub(super) version: VersionName,
    pub(super) train: Option<Predictions>,
    pub(super) test: Predictions,
    /// Of the test split's texts.
    pub(super) text: Option<TextSides>,
}

pub(super) fn report(
    frame: &Frame,
    answers: &Answers,
    reference: Option<&Answers>,
    provenance: Provenance,
) -> Result<EvaluationReport> {
    let mut report = evaluate(ReportInput {
        version: answers.version.clone(),
        forget_classes: frame.forget_classes.clone(),
        train: match (&answers.train, &frame.train) {
            (Some(predictions), Some(forget)) => Some(SplitInput { predictions, forget }),
            (None, _) | (_, None) => None,
        },
        test: SplitInput { predictions: &answers.test, forget: &frame.test },
        reference: reference.map(|reference| ReferenceInput {
            version: reference.version.clone(),
            train: reference.train.as_ref(),
            test: &reference.test,
        }),
        provenance,
    })?;
    report.test.text.clone_from(&answers.text);
    if let (Some(compared), Some(reference)) = (&mut report.reference, reference) {
        compared.test.text.clone_from(&reference.text);
    }
    Ok(report)
}
