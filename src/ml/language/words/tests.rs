//! Promises of shared words, on small models with random weights.

use std::rc::Rc;

use super::super::Language;
use super::super::testing::{Texts, resident};
use super::*;
use crate::domain::text::{ChatMessage, Role, TextOptions, Truncation};
use crate::ml::testing::{Events, complete};

const LLAMA: &str = r#"{"model_type": "llama", "vocab_size": 424, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 64, "tie_word_embeddings": true}"#;
const BERT: &str = r#"{"model_type": "bert", "architectures": ["BertForSequenceClassification"], "vocab_size": 600, "hidden_size": 16,
    "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64, "type_vocab_size": 2,
    "hidden_act": "gelu", "layer_norm_eps": 1e-12, "id2label": {"0": "dry", "1": "wet"}}"#;
const MARKS: &str = r#"{"bos_token": "<|begin|>", "eos_token": {"content": "<|end|>"}, "pad_token": "<|pad|>",
    "chat_template": "{% for m in messages %}<|start|>{{ m['role'] }} {{ m['content'] }}<|turn|>{% endfor %}"}"#;
const BERT_MARKS: &str = r#"{"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}"#;

fn llama() -> Rc<Language> {
    resident(LLAMA, "bpe", MARKS, 0.3)
}

fn inputs(texts: Vec<TextExample>) -> WordShareInputs {
    let positions = (0..texts.len()).collect();
    let texts = Texts::new(texts);
    let span = MovedSpan::from(texts.form());
    let attribution = TokenAttributionOptions { steps: 32, ..TokenAttributionOptions::default() };
    WordShareInputs { texts: Arc::new(texts), positions, labels: Vec::new(), span, attribution }
}

fn task(language: Rc<Language>, inputs: WordShareInputs, options: &TextOptions) -> Result<WordShareTask> {
    let names: &[&str] = if inputs.texts.form() == TextForm::Labelled { &["dry", "wet"] } else { &[] };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    WordShareTask::new(Reader::new(language, &names, options)?, inputs)
}

fn shared(language: Rc<Language>, inputs: WordShareInputs, options: &TextOptions) -> WordShares {
    complete(&mut task(language, inputs, options).unwrap(), &mut Events::default()).unwrap()
}

fn completion(prompt: &str, answer: &str) -> TextExample {
    TextExample::Completion { prompt: prompt.into(), answer: answer.into() }
}

fn labelled(text: &str, label: u32) -> TextExample {
    TextExample::Labelled { text: text.into(), label }
}

fn spoken(text: &SharedText) -> Vec<&str> {
    text.words.iter().map(|word| word.text.as_str()).collect()
}

#[test]
fn words_of_answers_are_weighed_and_prompts_stay() {
    let texts = vec![completion("Who is it?", "It is Anna, it is."), completion("And he?", "He is Paul")];
    let found = shared(llama(), inputs(texts), &TextOptions::default());
    assert_eq!(found.texts.iter().map(|text| text.position).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(spoken(&found.texts[0]), ["It", "is", "Anna", "it", "is"]);
    assert_eq!(spoken(&found.texts[1]), ["He", "is", "Paul"]);
    for text in &found.texts {
        assert!(text.words.iter().all(|word| word.bytes.len() == word.text.len() && word.score.is_finite()));
        let total: f64 = text.shares.values().sum();
        assert!(text.shares.is_empty() || (total - 1.0).abs() < 1e-12, "{total}");
        assert!(text.shares.keys().all(|word| spoken(text).iter().any(|said| said.to_lowercase() == *word)));
    }
}

#[test]
fn scores_are_those_of_the_tokens_of_one_text_by_itself() {
    let language = llama();
    let texts = vec![completion("Who is it?", "It is Anna"), completion("And he?", "He is Paul")];
    let found = shared(language.clone(), inputs(texts.clone()), &TextOptions::default());
    let options = TextOptions::default();
    let reader = Reader::new(language.clone(), &[], &options).unwrap();
    let encoded = reader.encoder().pieces(&texts[1]).unwrap().remove(0);
    let is_said: Vec<bool> =
        encoded.content.iter().zip(&encoded.labelled).map(|(content, said)| *content && *said).collect();
    let item = TokenItem {
        tokens: encoded.tokens.clone(),
        movable: is_said.clone(),
        answer: encoded.labelled.clone(),
        target: TokenTarget::Answer,
    };
    let attribution = inputs(texts).attribution;
    let mut alone =
        TokenAttributionTask::new(language.model().clone(), None, attribution, special(&language), vec![item]).unwrap();
    complete(&mut alone, &mut Events::default()).unwrap();
    let alone = only(alone.finished().unwrap().attributions.unwrap()).unwrap();
    let words = words(&encoded.text, &encoded.offsets, &is_said);
    let expected = word_scores(&words, &alone.scores);
    let scores: Vec<f64> = found.texts[1].words.iter().map(|word| word.score).collect();
    assert_eq!((scores, found.texts[1].relative_delta), (expected, alone.relative_delta));
    assert_eq!(found.unconverged, found.texts.iter().filter(|text| !text.converged).count() as u64);
}

#[test]
fn order_and_company_change_nothing() {
    let texts = vec![completion("a b", "c d"), completion("e", "f g h"), completion("i", "j")];
    let all = shared(llama(), inputs(texts.clone()), &TextOptions::default());
    let some = WordShareInputs { positions: vec![2, 0], ..inputs(texts) };
    let some = shared(llama(), some, &TextOptions::default());
    assert_eq!(some.texts, [all.texts[2].clone(), all.texts[0].clone()]);
}

#[test]
fn labelled_texts_are_explained_by_their_own_words_whoever_answers() {
    let texts = || vec![labelled("It rained all day", 1)];
    let written = shared(llama(), inputs(texts()), &TextOptions::default());
    assert_eq!(spoken(&written.texts[0]), ["It", "rained", "all", "day"]);
    let bert = || resident(BERT, "wordpiece", BERT_MARKS, 0.3);
    let classified = shared(bert(), inputs(texts()), &TextOptions::default());
    assert_eq!(spoken(&classified.texts[0]), ["It", "rained", "all", "day"]);
    let relabelled = WordShareInputs { labels: vec![0], ..inputs(texts()) };
    let relabelled = shared(bert(), relabelled, &TextOptions::default());
    let scores = |shares: &WordShares| shares.texts[0].words.iter().map(|word| word.score).sum::<f64>();
    assert!(
        scores(&classified) * scores(&relabelled) < 0.0,
        "what speaks for one of two classes speaks against the other"
    );
}

#[test]
fn in_a_chat_only_the_assistant_is_weighed() {
    let turns = [
        (Role::User, "Who are you"),
        (Role::Assistant, "I am Vicuna"),
        (Role::User, "Really"),
        (Role::Assistant, "Yes"),
    ];
    let messages = turns.map(|(role, text)| ChatMessage::new(role, text)).to_vec();
    let found = shared(llama(), inputs(vec![TextExample::Chat { messages }]), &TextOptions::default());
    assert_eq!(spoken(&found.texts[0]), ["I", "am", "Vicuna", "Yes"]);
}

#[test]
fn a_plain_text_longer_than_the_context_is_weighed_in_pieces_each_word_once() {
    let text = "one two three four five six seven eight nine ten ".repeat(6);
    let text = text.trim();
    let found = shared(llama(), inputs(vec![TextExample::Plain { text: text.into() }]), &TextOptions::default());
    assert_eq!(spoken(&found.texts[0]), text.split(' ').collect::<Vec<_>>());
}

#[test]
fn texts_that_do_not_fit_are_counted() {
    let long = "word ".repeat(200);
    let texts = vec![completion("a", "b c"), completion("a", &long)];
    let options = TextOptions { truncation: Truncation::Skip, max_tokens: 32, ..TextOptions::default() };
    let found = shared(llama(), inputs(texts), &options);
    assert_eq!((found.texts.len(), found.skipped, found.failed), (1, 1, 0));
}

#[test]
fn numbers_that_are_not_finite_leave_a_text_out_and_fail_where_none_is_left() {
    let broken = resident(LLAMA, "bpe", MARKS, 1e30);
    let error = complete(
        &mut task(broken, inputs(vec![completion("a", "b")]), &TextOptions::default()).unwrap(),
        &mut Events::default(),
    )
    .unwrap_err();
    assert!(error.reason.starts_with("NON_FINITE") && error.message.starts_with("example 0: "), "{}", error.message);
}

#[test]
fn texts_and_spans_that_the_model_cannot_be_asked_about_are_refused() {
    let reason = |language, inputs| task(language, inputs, &TextOptions::default()).unwrap_err().reason;
    let bert = resident(BERT, "wordpiece", BERT_MARKS, 0.3);
    assert_eq!(reason(bert, inputs(vec![completion("a", "b")])), "TASK_MISMATCH");
    let answers = WordShareInputs { span: MovedSpan::Answer, ..inputs(vec![labelled("a", 0)]) };
    assert_eq!(reason(llama(), answers), "INTERNAL");
    let mut steps = inputs(vec![completion("a", "b")]);
    steps.attribution.steps = 0;
    assert_eq!(reason(llama(), steps), "INVALID_STEPS");
}

#[test]
fn progress_counts_texts_and_no_text_is_no_work() {
    let mut all =
        task(llama(), inputs(vec![completion("a", "b"), completion("c", "d")]), &TextOptions::default()).unwrap();
    assert_eq!((all.position().step, all.position().total), (0, 2));
    complete(&mut all, &mut Events::default()).unwrap();
    assert_eq!((all.position().step, all.position().total), (2, 2));
    let none = WordShareInputs { positions: Vec::new(), ..inputs(vec![completion("a", "b")]) };
    assert_eq!(shared(llama(), none, &TextOptions::default()), WordShares::default());
}
