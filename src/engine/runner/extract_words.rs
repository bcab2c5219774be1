//! Words that classes, or answers, rest on, as a job: `words`, `report`.

use super::super::concepts::{WordReportInputs, drawn, listed, weigh, word_report};
use super::super::sources::Role;
use super::attempt::Attempt;
use crate::domain::Result;
use crate::domain::concept::{ConceptReport, ExtractConceptsSpec, WordOptions};
use crate::domain::job::JobResult;

pub(super) async fn run(attempt: &mut Attempt, spec: &ExtractConceptsSpec, words: &WordOptions) -> Result<JobResult> {
    let core = attempt.core.clone();
    let model = core.find_model(&spec.model).await?;
    let samples = core.find_samples(&spec.train, Role::Train, &words.forget, model.spec()).await?.put_as(&words.text);
    let seen = samples.seen_by(model.spec());
    let classes = listed(&spec.classes, &samples, &seen)?;

    attempt.stage("words").await?;
    let positions = drawn(&samples, words.samples_per_class as usize, spec.seed);
    let shares = weigh(&attempt.lane(), &model, &samples, words.attribution, positions).await?;

    attempt.stage("report").await?;
    let inputs = WordReportInputs {
        version: model.name().clone(),
        shares,
        classes,
        candidates: if samples.has_classes() { (0..seen.class_count).collect() } else { Vec::new() },
        class_names: seen.class_names,
        top_words: spec.top_concepts as usize,
        alpha: words.alpha,
        provenance: attempt.provenance(&model, &[&samples], spec.seed),
        labels: samples.labels,
    };
    let report = attempt.lane().compute(move |interrupt| word_report(&inputs, interrupt)).await?;
    Ok(JobResult::Concepts(ConceptReport { seconds: attempt.seconds(), ..report }))
}
