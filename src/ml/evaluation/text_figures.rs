//! Figures of a language model over texts: its own answers against the right ones, and how likely it finds these.

use super::predictions::Predictions;
use super::wilson::accuracy;
use crate::domain::evaluation::{NameAppearance, TextFigures, TruthRatio};
use crate::domain::{Error, Result};
use crate::ml::text::metrics::{
    Forbidden, RougeOptions, TokenScores, TruthRatioSense, answer_probability, appearance, exact_memorisation,
    extraction_strength, rouge_1, rouge_l, truth_ratio_score,
};

const STEMMED: RougeOptions = RougeOptions { stem: true, content_only: false };

/// What is known of the same examples in the same order.
#[derive(Debug, Clone, Copy)]
pub struct TextFigureInputs<'a> {
    /// The right answers.
    pub targets: &'a [String],
    /// What the model answered; nothing where the prompt did not fit.
    pub answers: &'a [Option<String>],
    /// What it says of the right answers' tokens; nothing where the example did not fit.
    pub scores: &'a [Option<TokenScores>],
    /// Log-probabilities of the answers of all classes, of which the label's is right and the others are wrong.
    pub classes: Option<&'a Predictions>,
    /// Names that must not appear.
    pub forbidden: &'a [String],
}

/// # Errors
/// `EMPTY_TEXT` for a forbidden name without words; what `Predictions::validate` refuses of `classes`.
pub fn text_figures(inputs: &TextFigureInputs<'_>) -> Result<TextFigures> {
    let TextFigureInputs { targets, answers, scores, classes, forbidden } = *inputs;
    let count = targets.len();
    if [answers.len(), scores.len()] != [count; 2] || classes.is_some_and(|classes| classes.len() != count) {
        return Err(Error::internal("answers and scores are not of the same examples"));
    }
    let is_skipped = |(answer, scores): &(&Option<String>, &Option<TokenScores>)| answer.is_none() || scores.is_none();
    let answered: Vec<(&str, &str)> = targets
        .iter()
        .zip(answers)
        .filter_map(|(target, answer)| Some((target.as_str(), answer.as_deref()?)))
        .collect();
    let scored = || scores.iter().flatten();
    Ok(TextFigures {
        examples: count as u64,
        skipped: answers.iter().zip(scores).filter(is_skipped).count() as u64,
        rouge_l_recall: mean(answered.iter().map(|(target, answer)| rouge_l(target, answer, STEMMED).recall)),
        rouge_1_recall: mean(answered.iter().map(|(target, answer)| rouge_1(target, answer, STEMMED).recall)),
        probability: mean(scored().filter_map(|scores| answer_probability(&scores.log_probabilities()))),
        exact_memorisation: mean(scored().filter_map(|one| exact_memorisation(&one.likeliest, &one.tokens))),
        extraction_strength: mean(scored().filter_map(|one| extraction_strength(&one.likeliest, &one.tokens))),
        appearance: appearances(forbidden, answered.iter().map(|(_, answer)| *answer))?,
        truth_ratio: classes.map(truth_ratio).transpose()?.flatten(),
    })
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u64, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

fn appearances<'a>(names: &[String], answers: impl Iterator<Item = &'a str>) -> Result<Option<NameAppearance>> {
    if names.is_empty() {
        return Ok(None);
    }
    let found = appearance(&Forbidden::new(names)?, answers);
    let share = |count: usize| accuracy(count as u64, found.answers as u64);
    let by_name = found.by_name.iter().map(|(name, count)| (name.clone(), share(*count))).collect();
    Ok(Some(NameAppearance { any: share(found.appearing), by_name }))
}

/// From log-probabilities of whole answers; differences of logarithms, so that no answer is too unlikely to be compared.
fn truth_ratio(classes: &Predictions) -> Result<Option<TruthRatio>> {
    classes.validate()?;
    let ratio = |(row, label): (&[f32], usize)| {
        let right = f64::from(row[label]);
        let wrong: f64 = row.iter().map(|score| f64::from(*score)).sum::<f64>() - right;
        (wrong / (row.len() - 1) as f64 - right).exp()
    };
    let ratios: Vec<f64> = classes.rows().map(ratio).collect();
    let of = |sense| mean(ratios.iter().map(|ratio| truth_ratio_score(*ratio, sense)));
    let both = of(TruthRatioSense::Forget).zip(of(TruthRatioSense::Keep));
    Ok(both.map(|(forget, keep)| TruthRatio { forget, keep }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::text::metrics::TokenDistribution;

    fn close(found: Option<f64>, expected: f64) {
        let found = found.expect("there is a figure");
        assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }

    /// Probabilities of the tokens, and which of them are the likeliest.
    fn scores(probabilities: &[f64], is_likeliest: &[bool]) -> Option<TokenScores> {
        let distribution = |p: &f64| TokenDistribution { log_probability: p.ln(), mean: -1.0, variance: 1.0 };
        let tokens: Vec<u32> = (0..probabilities.len() as u32).collect();
        let likeliest = tokens.iter().zip(is_likeliest).map(|(token, is)| if *is { *token } else { 99 }).collect();
        let distributions = probabilities.iter().map(distribution).collect();
        Some(TokenScores { distributions, likeliest, tokens, text: String::new() })
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn figures_are_those_computed_by_hand() {
        let targets = strings(&["the model was LLaMA", "nobody knows", "paris"]);
        let answers = [Some("LLaMA was a model".to_owned()), None, Some("It is Lyon, says GPT 4.".to_owned())];
        let scores = [scores(&[0.5, 0.5, 0.5, 0.5], &[true, false, true, true]), scores(&[0.25], &[false]), None];
        let classes = Predictions {
            class_count: 3,
            logits: [0.5_f64, 0.25, 0.25, 0.125, 0.5, 0.5, 0.25, 0.25, 0.25].map(|p| p.ln() as f32).to_vec(),
            labels: vec![0, 0, 2],
        };
        let forbidden = strings(&["llama", "GPT 4", "Claude"]);
        let inputs = TextFigureInputs {
            targets: &targets,
            answers: &answers,
            scores: &scores,
            classes: Some(&classes),
            forbidden: &forbidden,
        };
        let figures = text_figures(&inputs).unwrap();
        assert_eq!((figures.examples, figures.skipped), (3, 2));
        // `was` or `model` or `llama` alone keeps its place; of four words three are there.
        close(figures.rouge_l_recall, (0.25 + 0.0) / 2.0);
        close(figures.rouge_1_recall, (0.75 + 0.0) / 2.0);
        close(figures.probability, (0.5 + 0.25) / 2.0);
        close(figures.exact_memorisation, (0.75 + 0.0) / 2.0);
        close(figures.extraction_strength, (0.5 + 0.0) / 2.0);
        let appearance = figures.appearance.unwrap();
        assert_eq!((appearance.any.correct, appearance.any.total), (2, 2));
        let counts: Vec<u64> = appearance.by_name.iter().map(|(_, share)| share.correct).collect();
        assert_eq!(counts, [1, 1, 0]);
        let llama = appearance.by_name[0].1;
        assert_eq!(llama, accuracy(1, 2));
        // r is 1/2, 4 and 1.
        let ratio = figures.truth_ratio.unwrap();
        assert!((ratio.forget - (0.5 + 0.25 + 1.0) / 3.0).abs() < 1e-6, "{ratio:?}");
        assert!((ratio.keep - 0.5 / 3.0).abs() < 1e-6, "{ratio:?}");
        let json = serde_json::to_string(&text_figures(&inputs).unwrap()).unwrap();
        let read: TextFigures = serde_json::from_str(&json).unwrap();
        assert_eq!((read.rouge_l_recall, read.appearance.unwrap().by_name[0].0.as_str()), (Some(0.125), "llama"));
    }

    #[test]
    fn what_no_example_has_is_absent() {
        let targets = strings(&["a"]);
        let inputs =
            TextFigureInputs { targets: &targets, answers: &[None], scores: &[None], classes: None, forbidden: &[] };
        let figures = text_figures(&inputs).unwrap();
        assert_eq!(figures, TextFigures { examples: 1, skipped: 1, ..TextFigures::default() });
    }

    #[test]
    fn next_to_impossible_answers_are_still_compared() {
        let classes = Predictions { class_count: 2, logits: vec![-400.0, -401.0], labels: vec![0] };
        let ratio = truth_ratio(&classes).unwrap().unwrap();
        assert!((ratio.forget - (-1.0_f64).exp()).abs() < 1e-9, "{ratio:?}");
        let classes = Predictions { class_count: 2, logits: vec![-9000.0, -1.0], labels: vec![0] };
        assert_eq!(truth_ratio(&classes).unwrap().unwrap(), TruthRatio { forget: 0.0, keep: 0.0 });
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let targets = strings(&["a"]);
        let inputs =
            TextFigureInputs { targets: &targets, answers: &[], scores: &[None], classes: None, forbidden: &[] };
        assert_eq!(text_figures(&inputs).unwrap_err().reason, "INTERNAL");
        let names = strings(&[" "]);
        let inputs = TextFigureInputs { answers: &[None], forbidden: &names, ..inputs };
        assert_eq!(text_figures(&inputs).unwrap_err().reason, "EMPTY_TEXT");
    }
}
