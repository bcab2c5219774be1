//! Scores of batches against whole texts read one by one, on random models of every family.

mod answers;
mod classes;
mod refusals;
mod tokens;

use std::rc::Rc;
use std::sync::Arc;

use tch::{Kind, Tensor};

use super::classes::Asked;
use super::limits::Limits;
use super::*;
use crate::domain::Result;
use crate::domain::finetune::Precision;
use crate::domain::text::{TextExample, TextOptions, TextSource};
use crate::ml::evaluation::Predictions;
use crate::ml::language::testing::{Texts, class_names, language};
use crate::ml::language::{Language, Reader};
use crate::ml::step::Task;
use crate::ml::testing::{Events, complete};
use crate::ml::text::{Encoded, Outcome};
use crate::ml::torch::NoGrad;

fn options() -> TextOptions {
    TextOptions { label_prompt: "t: {text} L:".to_owned(), ..TextOptions::default() }
}

fn reader_with(language: &Rc<Language>, options: &TextOptions) -> Reader {
    Reader::new(language.clone(), &class_names(), options).unwrap()
}

fn reader(language: &Rc<Language>) -> Reader {
    reader_with(language, &options())
}

fn all(texts: &Texts) -> Vec<usize> {
    (0..texts.len()).collect()
}

/// Steps of a few tokens, and batches of a few rows, so that everything is cut.
fn narrow(step_tokens: usize, most_rows: usize, group_nodes: usize) -> Limits {
    Limits { step_tokens, most_rows, group_nodes, token_bytes: 1 }
}

fn finish<T: Task>(task: Result<T>) -> Result<T::Output> {
    let mut task = task?;
    let output = complete(&mut task, &mut Events::default())?;
    let position = task.position();
    assert_eq!(position.step, position.total);
    Ok(output)
}

fn class_scores(reader: Reader, texts: Texts, positions: &[usize], limits: Option<Limits>) -> Predictions {
    let labels = positions.iter().map(|&position| texts.labels()[position]).collect();
    let limits = limits.unwrap_or_else(|| Limits::of(reader.language()));
    let texts: Arc<dyn TextSource> = Arc::new(texts);
    let asked = Asked { texts, positions: positions.to_vec(), labels, precision: Precision::F32 };
    finish(ClassScoreTask::within(reader, asked, limits)).unwrap()
}

/// Log-probabilities `[T,V]` after each token of one text, read as a whole.
fn whole(language: &Language, tokens: &[u32]) -> Vec<Vec<f64>> {
    let _guard = NoGrad::enter();
    let tokens: Vec<i64> = tokens.iter().map(|&token| token.into()).collect();
    let embeddings = language.model().embed(&Tensor::from_slice(&tokens).unsqueeze(0)).unwrap();
    let logits = language.model().forward(&embeddings, None, language.adapter().map(AsRef::as_ref)).unwrap();
    let logs = logits.get(0).to_kind(Kind::Double).log_softmax(-1, Kind::Double);
    (0..tokens.len() as i64).map(|place| Vec::try_from(logs.get(place)).unwrap()).collect()
}

fn encoded(reader: &Reader, example: &TextExample) -> Encoded {
    match reader.encoder().encode(example).unwrap() {
        Outcome::Encoded(encoded) => *encoded,
        Outcome::Skipped => panic!("the example was skipped"),
    }
}

fn naive_score(reader: &Reader, example: &TextExample) -> f64 {
    let encoded = encoded(reader, example);
    let logs = whole(reader.language(), &encoded.tokens);
    let places = (1..encoded.len()).filter(|&place| encoded.labelled[place]);
    places.map(|place| logs[place - 1][encoded.tokens[place] as usize]).sum()
}

fn naive_row(reader: &Reader, texts: &Texts, position: usize) -> Vec<f64> {
    let TextExample::Labelled { text, .. } = texts.get(position).unwrap() else { panic!("not labelled") };
    let score = |label: u32| naive_score(reader, &TextExample::Labelled { text: text.clone(), label });
    (0..class_names().len() as u32).map(score).collect()
}

fn assert_rows(found: &Predictions, expected: &[Vec<f64>], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len());
    for (row, expected) in expected.iter().enumerate() {
        for (found, expected) in found.row(row).iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < tolerance, "{what}, row {row}: {found} {expected}");
        }
    }
}
