//! Evaluation jobs: `predict`, `reference`, `report`.

use super::super::failure::blocking;
use super::super::sources::{Data, ModelUse, Role, Samples};
use super::attempt::Attempt;
use super::report::{Answers, Frame, report};
use super::texts::{Asking, text_sides};
use crate::domain::Result;
use crate::domain::evaluation::EvaluationSpec;
use crate::domain::job::JobResult;

pub(super) async fn run(attempt: &mut Attempt, spec: &EvaluationSpec) -> Result<JobResult> {
    let model = attempt.core.find_model(&spec.model).await?;
    let (train, test) = find(attempt, spec, &model).await?;
    let options = spec.text.as_ref().map(|text| text.options.clone()).unwrap_or_default();
    let (train, test) = (train.map(|train| train.put_as(&options)), test.put_as(&options));
    attempt.stage("predict").await?;
    let questions = spec.text.clone().unwrap_or_default();
    let asking = Asking { questions: &questions, precision: spec.precision, seed: spec.seed };
    let own = answers(attempt, &model, train.as_ref(), &test, asking).await?;
    let reference = match &spec.reference {
        None => None,
        Some(name) => {
            attempt.stage("reference").await?;
            let reference = attempt.core.find_model(name).await?;
            Some(answers(attempt, &reference, train.as_ref(), &test, asking).await?)
        }
    };
    attempt.stage("report").await?;
    let frame = Frame::new(train.as_ref(), &test);
    let data: Vec<&Samples> = train.iter().chain([&test]).collect();
    let provenance = attempt.provenance(&model, &data, spec.seed);
    blocking(move || report(&frame, &own, reference.as_ref(), provenance)).await.map(JobResult::Evaluate)
}

async fn find(attempt: &Attempt, spec: &EvaluationSpec, model: &ModelUse) -> Result<(Option<Samples>, Samples)> {
    let core = &attempt.core;
    let Some(train) = &spec.train else {
        let mut test = core.find_samples(&spec.test, Role::Test, &spec.forget, model.spec()).await?;
        if spec.forget.is_empty() {
            test.clear_selection();
        }
        return Ok((None, test));
    };
    let mut train = core.find_samples(train, Role::Train, &spec.forget, model.spec()).await?;
    if spec.forget.is_empty() {
        train.clear_selection();
    }
    let test = core.find_held_out(&spec.test, &spec.forget, model.spec()).await?.samples;
    Ok((Some(train), test))
}

/// Predictions of one version on both splits, and figures of its texts on the test split.
pub(super) async fn answers(
    attempt: &Attempt,
    model: &ModelUse,
    train: Option<&Samples>,
    test: &Samples,
    asking: Asking<'_>,
) -> Result<Answers> {
    let precision = asking.precision;
    let train = match train {
        Some(train) => Some(attempt.predict_all(model, train, precision).await?),
        None => None,
    };
    let predicted = attempt.predict_all(model, test, precision).await?;
    let text = match test.data {
        Data::Images(_) => None,
        Data::Texts { .. } => text_sides(attempt, model, test, &predicted, asking).await?,
    };
    Ok(Answers { version: model.name().clone(), train, test: predicted, text })
}
