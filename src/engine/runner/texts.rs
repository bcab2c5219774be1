//! What jobs on language models ask of texts beside their classes: figures of answers, and how likely their tokens are found.

use super::super::failure::blocking;
use super::super::sources::{Data, ModelUse, Samples, sample};
use super::attempt::Attempt;
use crate::domain::Result;
use crate::domain::evaluation::{TextFigures, TextQuestions, TextSides};
use crate::domain::finetune::Precision;
use crate::domain::model::TextTask;
use crate::domain::text::{TextForm, TextSource};
use crate::ml::evaluation::{Predictions, TextFigureInputs, text_figures};
use crate::ml::text::metrics::TokenScores;

/// How figures are taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) questions: &'a TextQuestions,
    pub(super) precision: Precision,
    /// Of the draw of examples.
    pub(super) seed: u64,
}

/// Whether the model finds tokens likely or not; a classifier reads texts and says none.
pub(super) fn generates(model: &ModelUse) -> bool {
    model.spec().text.as_ref().is_some_and(|text| text.task == TextTask::Generate)
}

/// Figures of both sides of a split, each of a seeded draw of its examples. `classes`: what the model says of the whole split, where it
/// has classes.
pub(super) async fn text_sides(
    attempt: &Attempt,
    model: &ModelUse,
    samples: &Samples,
    classes: &Predictions,
    asking: Asking<'_>,
) -> Result<Option<TextSides>> {
    if !generates(model) || asking.questions.written_answers == 0 {
        return Ok(None);
    }
    let count = asking.questions.written_answers as usize;
    let forget = sample(&samples.selected, count, asking.seed, 3);
    let retain = sample(&samples.rest(), count, asking.seed, 4);
    let forget = figures(attempt, model, samples, classes, forget, asking).await?;
    let retain = figures(attempt, model, samples, classes, retain, asking).await?;
    Ok(Some(TextSides { forget, retain }))
}

async fn figures(
    attempt: &Attempt,
    model: &ModelUse,
    samples: &Samples,
    classes: &Predictions,
    positions: Vec<usize>,
    asking: Asking<'_>,
) -> Result<TextFigures> {
    if positions.is_empty() {
        return Ok(TextFigures::default());
    }
    let Asking { questions, precision, .. } = asking;
    let lane = attempt.lane();
    let scores = lane.score_texts(model, samples, positions.clone(), precision).await?;
    let answers = match samples.dataset.text_form {
        // There is no question that they answer.
        Some(TextForm::Plain) | None => vec![None; positions.len()],
        Some(form) => {
            let context = model.spec().text.as_ref().map_or(1, |text| text.context);
            let most =
                questions.max_answer_tokens.unwrap_or_else(|| usual_tokens(form)).min(context.saturating_sub(1)).max(1);
            lane.answer_texts(model, samples, positions.clone(), most, precision).await?
        }
    };
    let (samples, names) = (samples.clone(), questions.names.clone());
    let classes = (!classes.is_empty()).then(|| classes.subset(&positions));
    blocking(move || {
        let targets = targets(&samples, &positions)?;
        text_figures(&TextFigureInputs {
            targets: &targets,
            answers: &answers,
            scores: &scores,
            classes: classes.as_ref(),
            forbidden: &names,
        })
    })
    .await
}

/// Tokens of a written answer: labels are short.
fn usual_tokens(form: TextForm) -> u32 {
    if form == TextForm::Labelled { 16 } else { 64 }
}

/// The right answers.
fn targets(samples: &Samples, positions: &[usize]) -> Result<Vec<String>> {
    let Data::Texts { split, options } = &samples.data else { return Ok(Vec::new()) };
    let names = &samples.dataset.class_names;
    let of_classes = if options.label_answers.is_empty() { names } else { &options.label_answers };
    let target = |&position: &usize| {
        let of_class = || of_classes.get(samples.labels[position] as usize).cloned().unwrap_or_default();
        Ok(split.get(position)?.answer().map_or_else(of_class, str::to_owned))
    };
    positions.iter().map(target).collect()
}

/// What a model says of the tokens of members and of others.
#[derive(Debug, Clone, Default)]
pub(super) struct TokenSides {
    pub(super) members: Vec<TokenScores>,
    pub(super) non_members: Vec<TokenScores>,
}

/// Nothing of a model that says no tokens. Examples that do not fit have no scores and are left out by the attacks.
pub(super) async fn token_sides(
    attempt: &Attempt,
    model: &ModelUse,
    (train, members): (&Samples, &[usize]),
    (test, non_members): (&Samples, &[usize]),
) -> Result<Option<TokenSides>> {
    if !generates(model) {
        return Ok(None);
    }
    let lane = attempt.lane();
    let filled = |scores: Vec<Option<TokenScores>>| scores.into_iter().map(Option::unwrap_or_default).collect();
    let members = lane.score_texts(model, train, members.to_vec(), Precision::F32).await?;
    let non_members = lane.score_texts(model, test, non_members.to_vec(), Precision::F32).await?;
    Ok(Some(TokenSides { members: filled(members), non_members: filled(non_members) }))
}
