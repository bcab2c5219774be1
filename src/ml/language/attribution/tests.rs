//! Against Captum 0.8's `LayerIntegratedGradients` on transformers' models (`tests/golden/language/make.py`), and what holds without.

use std::collections::BTreeMap;
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::*;
use crate::domain::attribution::{
    QuadratureRule, TargetOutput, TokenAttribution, TokenAttributionOptions, TokenBaseline, TokenTarget,
};
use crate::ml::language::LanguageModel;
use crate::ml::language::golden::{DECODERS, ENCODERS, golden, load};
use crate::ml::step::Task;
use crate::ml::testing::{Events, complete};

const SPECIAL: BaselineTokens = BaselineTokens { pad: Some(1), mask: None, end: Some(2), unknown: None };
/// The last tokens of the golden text.
const ANSWER: usize = 4;

fn item(golden: &BTreeMap<String, Tensor>, target: TokenTarget) -> TokenItem {
    let numbers = |name: &str| Vec::<i64>::try_from(&golden[name]).unwrap();
    let tokens: Vec<u32> = numbers("ig.tokens").into_iter().map(|token| token as u32).collect();
    let first = tokens.len() - ANSWER;
    let is_causal = !matches!(target, TokenTarget::Class { .. });
    TokenItem {
        movable: numbers("ig.moves").into_iter().map(|moves| moves == 1).collect(),
        answer: (0..tokens.len()).map(|place| is_causal && place >= first).collect(),
        tokens,
        target,
    }
}

fn explain(model: &Rc<LanguageModel>, options: TokenAttributionOptions, items: Vec<TokenItem>) -> Vec<FinishedTokens> {
    let mut task = TokenAttributionTask::new(model.clone(), None, options, SPECIAL, items).unwrap();
    complete(&mut task, &mut Events::default()).unwrap();
    std::iter::from_fn(|| task.finished()).collect()
}

fn attributions(model: &Rc<LanguageModel>, options: TokenAttributionOptions, item: TokenItem) -> Vec<TokenAttribution> {
    explain(model, options, vec![item]).remove(0).attributions.unwrap()
}

/// 1e-4 of the largest score.
fn assert_close(found: &[f64], expected: &Tensor, what: &str) {
    let expected = Vec::<f64>::try_from(expected.to_kind(Kind::Double)).unwrap();
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-4 * largest, "{what}: {found} {expected} of {largest}");
    }
}

#[test]
fn scores_of_an_answer_are_those_of_captum() {
    for name in DECODERS {
        let (model, golden) = (load(name, Kind::Float), golden(name));
        let options = TokenAttributionOptions::default();
        let found = attributions(&model, options, item(&golden, TokenTarget::Answer)).remove(0);
        assert_close(&found.scores, &golden["ig.scores"], name);
        let outputs = Vec::<f64>::try_from(golden["ig.output"].to_kind(Kind::Double)).unwrap();
        assert!(
            (found.output - outputs[0]).abs() < 1e-4 && (found.baseline_output - outputs[1]).abs() < 1e-4,
            "{name}"
        );
        assert!(found.relative_delta < 0.01 && found.converged, "{name}: {}", found.relative_delta);
        let options = TokenAttributionOptions { rule: QuadratureRule::Middle, steps: 16, ..options };
        let found = attributions(&model, options, item(&golden, TokenTarget::Answer)).remove(0);
        assert_close(&found.scores, &golden["ig.middle"], name);
    }
}

#[test]
fn each_token_of_an_answer_is_explained_and_they_sum_to_the_answer() {
    for name in ["llama", "gpt2"] {
        let (model, golden) = (load(name, Kind::Float), golden(name));
        let options = TokenAttributionOptions::default();
        let found = attributions(&model, options, item(&golden, TokenTarget::EachToken));
        assert_eq!(found.len(), ANSWER);
        for (number, found) in found.iter().enumerate() {
            assert_eq!(found.place, Some((found.scores.len() - ANSWER + number) as u32));
            assert_close(&found.scores, &golden["ig.each"].get(number as i64), name);
        }
        let sums: Vec<f64> =
            (0..found[0].scores.len()).map(|place| found.iter().map(|one| one.scores[place]).sum()).collect();
        assert_close(&sums, &golden["ig.scores"], name);
    }
}

#[test]
fn scores_of_a_class_are_those_of_captum() {
    let outputs = [
        ("logit", TargetOutput::Logit),
        ("log_probability", TargetOutput::LogProbability),
        ("probability", TargetOutput::Probability),
    ];
    for name in ENCODERS {
        let (model, golden) = (load(name, Kind::Float), golden(name));
        for (label, output) in outputs {
            let target = TokenTarget::Class { class: 2, output };
            let found = attributions(&model, TokenAttributionOptions::default(), item(&golden, target)).remove(0);
            assert_close(&found.scores, &golden[&format!("ig.{label}")], name);
            let delta = golden[&format!("ig.{label}.delta")].double_value(&[0]);
            assert!((found.delta - delta).abs() < 1e-5, "{name} {label}: {} {delta}", found.delta);
            // The rectifier in DistilBERT's head bends the path: fifty points miss 10 % of the small difference, Captum's too.
            assert!(name != "bert" || found.relative_delta < 0.01, "{label}: {}", found.relative_delta);
        }
    }
}

#[test]
fn the_chunk_size_changes_nothing_but_rounding() {
    let (model, golden) = (load("llama", Kind::Float), golden("llama"));
    let scores = |internal_batch_size| {
        let options = TokenAttributionOptions { internal_batch_size, ..TokenAttributionOptions::default() };
        attributions(&model, options, item(&golden, TokenTarget::Answer)).remove(0).scores
    };
    let whole = Tensor::from_slice(&scores(50));
    for rows in [1, 7] {
        assert_close(&scores(rows), &whole, "in chunks");
    }
}

#[test]
fn tokens_that_do_not_move_have_no_score_and_a_text_that_is_its_baseline_none() {
    let (model, golden) = (load("llama", Kind::Float), golden("llama"));
    let mut text = item(&golden, TokenTarget::Answer);
    let found = attributions(&model, TokenAttributionOptions::default(), text.clone()).remove(0);
    assert!(found.scores.iter().zip(&text.movable).all(|(score, moves)| *moves || *score == 0.0));
    text.movable = (0..text.tokens.len()).map(|place| place == 3).collect();
    text.tokens[3] = 1;
    let found = attributions(&model, TokenAttributionOptions::default(), text).remove(0);
    assert!(found.is_baseline && found.delta == 0.0 && found.scores.iter().all(|score| *score == 0.0));
}

#[test]
fn the_baseline_used_is_told_and_zeros_are_the_last_resort() {
    let (model, golden) = (load("llama", Kind::Float), golden("llama"));
    let used = |baseline| {
        let options = TokenAttributionOptions { baseline, ..TokenAttributionOptions::default() };
        attributions(&model, options, item(&golden, TokenTarget::Answer)).remove(0)
    };
    assert_eq!(used(TokenBaseline::Mask).baseline, TokenBaseline::Pad);
    assert_eq!(used(TokenBaseline::Zero).baseline, TokenBaseline::Zero);
}

#[test]
fn adaptive_steps_double_until_the_sum_fits() {
    let (model, golden) = (load("gpt2", Kind::Float), golden("gpt2"));
    let options = TokenAttributionOptions {
        rule: QuadratureRule::Right,
        steps: 1,
        adaptive: true,
        ..TokenAttributionOptions::default()
    };
    let found = attributions(&model, options, item(&golden, TokenTarget::Answer)).remove(0);
    assert!(found.converged && found.steps > 1, "{found:?}");
}

#[test]
fn what_is_wrong_with_one_text_is_told_of_it_alone() {
    let (model, golden) = (load("llama", Kind::Float), golden("llama"));
    let good = item(&golden, TokenTarget::Answer);
    let bad = |change: &dyn Fn(&mut TokenItem)| {
        let mut item = good.clone();
        change(&mut item);
        item
    };
    let class = TokenTarget::Class { class: 0, output: TargetOutput::Logit };
    let items = vec![
        bad(&|item| item.movable.fill(false)),
        bad(&|item| item.answer[0] = true),
        bad(&|item| item.tokens[2] = 500),
        bad(&|item| item.target = class),
        good.clone(),
    ];
    let found = explain(&model, TokenAttributionOptions::default(), items);
    let reasons: Vec<_> =
        found.iter().map(|one| one.attributions.as_ref().map_err(|error| error.reason).err()).collect();
    let expected = ["INVALID_TOKENS", "INVALID_TOKENS", "TOKEN_OUT_OF_RANGE", "TARGET_MISMATCH"].map(Some);
    assert_eq!(reasons[..4], expected);
    assert!(found[4].attributions.is_ok() && found[4].index == 4);
}

#[test]
fn progress_ends_where_it_said() {
    let (model, golden) = (load("llama", Kind::Float), golden("llama"));
    let options = TokenAttributionOptions { steps: 10, internal_batch_size: 4, ..TokenAttributionOptions::default() };
    let items = vec![item(&golden, TokenTarget::Answer); 2];
    let mut task = TokenAttributionTask::new(model, None, options, SPECIAL, items).unwrap();
    let total = task.position().total;
    complete(&mut task, &mut Events::default()).unwrap();
    assert_eq!((task.position().step, task.position().total), (total, total));
    assert_eq!(total, 24);
}
