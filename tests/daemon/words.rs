//! Concepts of a language model: the words that classes of texts, or answers, rest on.

use std::collections::BTreeSet;

use serde_json::json;
use tonic::{Code, Status};
use unlearnd::pb::v1 as pb;
use unlearnd::pb::v1::extract_concepts_request::Words;
use unlearnd::pb::v1::job::State;
use unlearnd::pb::v1::job_result::Result as Outcome;

use crate::language::with_model;
use crate::support::refusals::refused;
use crate::support::shapes::{Shapes, source, written};

const LOSS: [&str; 4] = ["my card was stolen", "the card was lost today", "card stolen help me", "was my card lost"];
const APP: [&str; 4] = ["the app is slow", "why is the app slow today", "slow app please help", "my app is slow"];

fn lines(rows: impl IntoIterator<Item = serde_json::Value>) -> String {
    rows.into_iter().map(|row| format!("{row}\n")).collect()
}

/// With labelled texts under `datasets/questions`, and prompts with answers under `datasets/talk`.
async fn with_texts() -> Shapes {
    let shapes = with_model().await;
    let labelled = LOSS.iter().map(|text| (text, "loss")).chain(APP.iter().map(|text| (text, "app")));
    let labelled = lines(labelled.map(|(text, label)| json!({"text": text, "label": label})));
    let talk = [("who are you", "a model", 1), ("why", "you are a model", 1), ("help", "please top up", 0)];
    let talk = lines(talk.map(|(prompt, answer, own)| json!({"prompt": prompt, "answer": answer, "own": own})));
    for (id, text) in [("questions", labelled), ("talk", talk)] {
        let path = written(&shapes, &format!("{id}.jsonl"), &text);
        shapes.register(id, &path, "train").await.unwrap();
    }
    shapes
}

fn extraction(dataset: &str, words: Words) -> pb::ExtractConceptsRequest {
    let attribution = pb::TokenAttributionSpec { steps: 16, ..Default::default() };
    pb::ExtractConceptsRequest {
        model: "models/words".into(),
        train: source(dataset),
        words: Some(Words { attribution: Some(attribution), ..words }),
        ..Default::default()
    }
}

async fn extracted(shapes: &Shapes, request: pb::ExtractConceptsRequest) -> pb::ConceptReport {
    let operation = shapes.daemon.concepts().extract_concepts(request).await.unwrap().into_inner();
    let job = shapes.finished(&operation.name).await;
    assert_eq!(job.state(), State::Succeeded, "{:?}", job.error);
    let Outcome::Concepts(report) = job.result.unwrap().result.unwrap() else { panic!("no report") };
    report
}

async fn refusal(shapes: &Shapes, request: pb::ExtractConceptsRequest) -> Status {
    shapes.daemon.concepts().extract_concepts(request).await.unwrap_err()
}

fn said(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().flat_map(|text| text.split(' ')).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_class_rests_on_words_of_its_own_texts() {
    let shapes = with_texts().await;
    let report = extracted(&shapes, extraction("questions", Words::default())).await;
    assert_eq!((report.concept_bank.as_str(), report.pcbm), ("", None));
    assert_eq!(report.words.unwrap().texts, 8);
    assert_eq!(report.classes.len(), 2);
    for class in &report.classes {
        let own = said(if class.class_name == "loss" { &LOSS } else { &APP });
        assert!((1..=5).contains(&class.words.len()), "{class:?}");
        assert!(class.words.iter().all(|word| own.contains(&word.word) && word.mean > 0.0), "{class:?}");
        assert!(!class.words.iter().any(|word| ["the", "is", "my", "was", "why"].contains(&word.word.as_str())));
        assert!(class.words.is_sorted_by(|a, b| a.weight >= b.weight));
        assert!(class.donor.as_ref().is_some_and(|donor| donor.class_name != class.class_name));
    }
    let again = extracted(&shapes, extraction("questions", Words::default())).await;
    assert_eq!(again.classes, report.classes, "the same request gives the same words");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_labels_are_weighed_against_those_that_stay() {
    let shapes = with_texts().await;
    let own =
        pb::predicate::Condition::ColumnEquals(pb::predicate::ColumnEquals { column: "own".into(), value: "1".into() });
    let predicates = vec![pb::Predicate { condition: Some(own) }];
    let forget = Some(pb::Selector { predicates, ..Default::default() });
    let report = extracted(&shapes, extraction("talk", Words { forget, ..Default::default() })).await;
    let [group] = report.classes.as_slice() else { panic!("{:?}", report.classes) };
    let words: Vec<&str> = group.words.iter().map(|word| word.word.as_str()).collect();
    assert!(words.is_empty() || words == ["model"], "of the answers only `model` is no stop-word: {words:?}");
    assert!(group.donor.is_none() && report.words.unwrap().texts == 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_with_words_is_refused() {
    let shapes = with_texts().await;
    let bank = pb::ExtractConceptsRequest {
        concept_bank: "conceptBanks/b".into(),
        ..extraction("questions", Words::default())
    };
    refused(&refusal(&shapes, bank).await, Code::InvalidArgument, "CONFLICTING_FIELDS", "concept_bank", "words");
    let forget = Some(pb::Selector { classes: vec!["app".into()], ..Default::default() });
    let labelled = extraction("questions", Words { forget, ..Default::default() });
    refused(&refusal(&shapes, labelled).await, Code::InvalidArgument, "CONFLICTING_FIELDS", "words.forget", "classes");
    let answers = pb::TextOptions { label_answers: vec!["one".into()], ..Default::default() };
    let answers = extraction("questions", Words { options: Some(answers), ..Default::default() });
    refused(
        &refusal(&shapes, answers).await,
        Code::InvalidArgument,
        "CLASS_NAMES_MISMATCH",
        "words.options.label_answers",
        "2",
    );
    let unknown =
        pb::ExtractConceptsRequest { classes: vec!["reindeer".into()], ..extraction("questions", Words::default()) };
    refused(&refusal(&shapes, unknown).await, Code::InvalidArgument, "UNKNOWN_CLASS", "classes[0]", "reindeer");
    shapes.create("shapes").await.unwrap();
    let images =
        pb::ExtractConceptsRequest { model: "models/shapes".into(), ..extraction("questions", Words::default()) };
    assert_eq!(refusal(&shapes, images).await.code(), Code::FailedPrecondition);
}
