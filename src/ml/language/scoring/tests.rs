//! Scores of batches against whole texts read one by one, on random models of every family.

use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;
use tch::{Kind, Tensor};

use super::limits::Limits;
use super::*;
use crate::domain::finetune::Precision;
use crate::domain::text::{TextExample, TextOptions, TextSource, Truncation};
use crate::domain::{Error, Result};
use crate::ml::evaluation::Predictions;
use crate::ml::language::golden::{DECODERS, ENCODERS};
use crate::ml::language::testing::{Texts, class_names, language};
use crate::ml::language::{Generation, GenerationOptions, Language, Reader};
use crate::ml::step::Task;
use crate::ml::testing::{Events, complete};
use crate::ml::text::metrics::{TokenDistribution, TokenScores};
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
    let asked = super::classes::Asked { texts, positions: positions.to_vec(), labels, precision: Precision::F32 };
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

#[test]
fn classes_score_what_their_whole_texts_score_in_every_family() {
    for name in DECODERS {
        let language = language(name);
        let expected: Vec<Vec<f64>> =
            (0..Texts::labelled().len()).map(|at| naive_row(&reader(&language), &Texts::labelled(), at)).collect();
        let texts = Texts::labelled();
        let positions = all(&texts);
        let found = class_scores(reader(&language), texts, &positions, None);
        assert_eq!((found.class_count, found.labels.as_slice()), (5, Texts::labelled().labels()));
        assert_rows(&found, &expected, 1e-4, name);
        for limits in [narrow(1, 1, 1), narrow(7, 3, 4), narrow(2000, 32, 3)] {
            let found = class_scores(reader(&language), Texts::labelled(), &positions, Some(limits));
            assert_rows(&found, &expected, 1e-4, &format!("{name} {limits:?}"));
        }
    }
}

#[test]
fn the_tokenizer_of_these_tests_merges_prompts_with_answers() {
    let language = language("llama");
    let reader = reader(&language);
    let tokens = |label| encoded(&reader, &TextExample::Labelled { text: "why".into(), label }).tokens;
    let prompt = reader.encoder().prompt(&TextExample::Labelled { text: "why".into(), label: 0 }).unwrap().tokens;
    assert_eq!(tokens(0)[..prompt.len()], prompt);
    assert_ne!(tokens(3)[..prompt.len()], prompt, "`: x` is one token");
}

#[test]
fn in_a_chat_and_with_cut_prompts_classes_score_the_same_way() {
    let language = language("llama");
    let chat = TextOptions { chat: true, system_prompt: String::new(), ..options() };
    let cut = TextOptions { max_tokens: 24, ..options() };
    for options in [chat, cut] {
        let expected: Vec<Vec<f64>> = (0..Texts::labelled().len())
            .map(|at| naive_row(&reader_with(&language, &options), &Texts::labelled(), at))
            .collect();
        let texts = Texts::labelled();
        let positions = all(&texts);
        let found = class_scores(reader_with(&language, &options), texts, &positions, Some(narrow(9, 4, 4)));
        assert_rows(&found, &expected, 1e-4, &format!("{options:?}"));
    }
}

#[test]
fn a_classifier_gives_its_logits() {
    for name in ENCODERS {
        let language = language(name);
        let reader = || Reader::new(language.clone(), &[], &options()).unwrap();
        let texts = three_classes();
        let _guard = NoGrad::enter();
        let expected: Vec<Vec<f64>> = (0..texts.len())
            .map(|at| {
                let tokens = encoded(&reader(), &texts.get(at).unwrap()).tokens;
                let tokens: Vec<i64> = tokens.into_iter().map(i64::from).collect();
                let embeddings = language.model().embed(&Tensor::from_slice(&tokens).unsqueeze(0)).unwrap();
                let logits = language.model().forward(&embeddings, None, None).unwrap();
                Vec::try_from(logits.get(0).to_kind(Kind::Double)).unwrap()
            })
            .collect();
        let positions = all(&texts);
        for limits in [None, Some(narrow(1, 1, 1)), Some(narrow(40, 3, 1))] {
            let found = class_scores(reader(), three_classes(), &positions, limits);
            assert_eq!(found.class_count, expected[0].len());
            assert_rows(&found, &expected, 1e-4, &format!("{name} {limits:?}"));
        }
    }
}

fn three_classes() -> Texts {
    let texts = Texts::labelled();
    let example = |at: usize| match texts.get(at).unwrap() {
        TextExample::Labelled { text, label } => TextExample::Labelled { text, label: label % 3 },
        other => other,
    };
    Texts::new((0..texts.len()).map(example).collect())
}

fn token_scores(reader: Reader, texts: Texts, limits: Limits) -> Vec<Option<TokenScores>> {
    let positions = all(&texts);
    finish(TokenScoreTask::within(reader, Arc::new(texts), positions, Precision::F32, limits)).unwrap()
}

/// The labelled tokens of whole texts, with what the model says in their places.
fn naive_tokens(language: &Language, pieces: &[Encoded]) -> (Vec<u32>, Vec<u32>, Vec<TokenDistribution>) {
    let (mut tokens, mut likeliest, mut distributions) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        let logs = whole(language, &piece.tokens);
        for place in (1..piece.len()).filter(|&place| piece.labelled[place]) {
            let before = &logs[place - 1];
            tokens.push(piece.tokens[place]);
            likeliest
                .push((0..before.len()).fold(0, |best, at| if before[at] > before[best] { at } else { best }) as u32);
            distributions.push(TokenDistribution::of(before, piece.tokens[place] as usize).unwrap());
        }
    }
    (tokens, likeliest, distributions)
}

#[test]
fn tokens_score_what_they_score_in_whole_texts() {
    for (name, texts) in [
        ("llama", Texts::completions as fn() -> Texts),
        ("gpt2", Texts::chats),
        ("mistral", Texts::plain),
        ("qwen2", Texts::labelled),
        ("gpt_neox", Texts::plain),
    ] {
        let language = language(name);
        for limits in [Limits::of(&language), narrow(5, 2, 1)] {
            let found = token_scores(reader(&language), texts(), limits);
            for (at, found) in found.into_iter().enumerate() {
                let (found, pieces) =
                    (found.unwrap(), reader(&language).encoder().pieces(&texts().get(at).unwrap()).unwrap());
                let (tokens, likeliest, distributions) = naive_tokens(&language, &pieces);
                assert_eq!((&found.tokens, &found.likeliest), (&tokens, &likeliest), "{name} {at}");
                assert!(!tokens.is_empty());
                for (found, expected) in found.distributions.iter().zip(&distributions) {
                    let gaps = [
                        found.log_probability - expected.log_probability,
                        found.mean - expected.mean,
                        found.variance - expected.variance,
                    ];
                    assert!(gaps.iter().all(|gap| gap.abs() < 1e-4), "{name} {at}: {found:?} {expected:?}");
                }
            }
        }
    }
}

#[test]
fn scored_texts_are_the_answers_and_long_plain_texts_are_read_in_windows() {
    let language = language("llama");
    let texts = |texts: Texts| -> Vec<String> {
        let found = token_scores(reader(&language), texts, Limits::of(&language));
        found.into_iter().map(|scores| scores.unwrap().text).collect()
    };
    assert_eq!(texts(Texts::completions()), ["a top model", " x", "no", "card, lost"]);
    assert_eq!(texts(Texts::chats()), ["is lost", "a model\ntop"]);
    assert_eq!(texts(Texts::plain())[2], "all of it again, ".repeat(9));
}

#[test]
fn examples_that_do_not_fit_have_no_scores_and_no_answer_but_no_class_goes_without() {
    let language = language("llama");
    let options = TextOptions { max_tokens: 20, truncation: Truncation::Skip, ..options() };
    let texts = Texts::completions();
    let positions = all(&texts);
    let has = |found: Vec<bool>| found;
    let scored = token_scores(reader_with(&language, &options), Texts::completions(), Limits::of(&language));
    assert_eq!(has(scored.iter().map(Option::is_some).collect()), [false, true, false, true]);
    let answers = AnswerTask::new(reader_with(&language, &options), Arc::new(texts), positions, 3, Precision::F32);
    assert_eq!(has(finish(answers).unwrap().iter().map(Option::is_some).collect()), [true, true, false, true]);
    let texts = Arc::new(Texts::labelled());
    let task = ClassScoreTask::new(reader_with(&language, &options), texts, vec![1, 2], vec![1, 2], Precision::F32);
    let error = finish(task).unwrap_err();
    assert_eq!(error.reason, "EXAMPLE_TOO_LONG");
    assert!(error.message.starts_with("example 2:"), "{error}");
}

#[test]
fn long_examples_that_may_not_be_left_out_are_named() {
    let language = language("llama");
    let options = TextOptions { max_tokens: 20, truncation: Truncation::Refuse, ..options() };
    let reader = || reader_with(&language, &options);
    let texts = || Arc::new(Texts::completions());
    let scores = TokenScoreTask::new(reader(), texts(), vec![1, 2], Precision::F32);
    let answers = AnswerTask::new(reader(), texts(), vec![1, 2], 3, Precision::F32);
    for error in [finish(scores).unwrap_err(), finish(answers).unwrap_err()] {
        assert_eq!(error.reason, "EXAMPLE_TOO_LONG");
        assert!(error.message.starts_with("example 2:"), "{error}");
    }
}

#[test]
fn answers_are_what_each_prompt_alone_is_answered() {
    const MOST: usize = 6;
    for name in ["llama", "mistral", "gpt2", "gpt_neox"] {
        let language = language(name);
        let alone = |example: &TextExample| {
            let prompt = reader(&language).encoder().prompt(example).unwrap().tokens;
            let mut stop = language.tokenizer().special().stop.clone();
            stop.extend(language.model().config().end_tokens());
            let choice = GenerationOptions { most_tokens: MOST, stop: stop.clone(), sampling: None };
            let mut generation = Generation::new(language.model().clone(), None, &prompt, choice).unwrap();
            let tokens: Vec<u32> = std::iter::from_fn(|| generation.next().unwrap()).collect();
            let said: Vec<u32> = tokens.into_iter().filter(|token| !stop.contains(token)).collect();
            language.tokenizer().decode(&said, true).unwrap()
        };
        for texts in [Texts::labelled as fn() -> Texts, Texts::completions, Texts::chats] {
            let expected: Vec<String> = all(&texts()).iter().map(|&at| alone(&texts().get(at).unwrap())).collect();
            for limits in [Limits::of(&language), narrow(5, 3, 1)] {
                let (texts, positions) = (texts(), all(&texts()));
                let asked = super::answers::Asked { texts: Arc::new(texts), positions, precision: Precision::F32 };
                let found = finish(AnswerTask::within(reader(&language), asked, MOST, limits)).unwrap();
                assert_eq!(found.into_iter().map(Option::unwrap).collect::<Vec<_>>(), expected, "{name}");
            }
        }
    }
}

#[test]
fn what_cannot_be_asked_is_refused_with_a_reason() {
    let (llama, bert) = (language("llama"), language("bert"));
    let labelled = || -> Arc<dyn TextSource> { Arc::new(Texts::labelled()) };
    let plain = || -> Arc<dyn TextSource> { Arc::new(Texts::plain()) };
    let nameless = || Reader::new(llama.clone(), &[], &options()).unwrap();
    let classifier = || Reader::new(bert.clone(), &[], &options()).unwrap();
    let classes = |reader, texts, labels: Vec<u32>| {
        ClassScoreTask::new(reader, texts, vec![0; labels.len()], labels, Precision::F32).map(drop)
    };
    let scores = |reader, texts| TokenScoreTask::new(reader, texts, vec![0], Precision::F32).map(drop);
    let answers = |reader, texts, most| AnswerTask::new(reader, texts, vec![0], most, Precision::F32).map(drop);
    let refused = |outcome: Result<()>, expected: &str| {
        let Error { reason, message, .. } = outcome.unwrap_err();
        assert_eq!(reason, expected, "{message}");
    };
    refused(classes(reader(&llama), plain(), vec![0]), "TASK_MISMATCH");
    refused(classes(nameless(), labelled(), vec![0]), "TASK_MISMATCH");
    refused(classes(reader(&llama), labelled(), vec![5]), "CLASS_COUNT_MISMATCH");
    refused(scores(classifier(), labelled()), "NOT_GENERATIVE");
    refused(scores(nameless(), labelled()), "TASK_MISMATCH");
    refused(answers(classifier(), plain(), 4), "NOT_GENERATIVE");
    refused(answers(nameless(), labelled(), 4), "TASK_MISMATCH");
    refused(answers(reader(&llama), plain(), 0), "OUT_OF_RANGE");
    refused(answers(reader(&llama), plain(), 64), "OUT_OF_RANGE");
    refused(TokenScoreTask::new(reader(&llama), plain(), vec![3], Precision::F32).map(drop), "INTERNAL");
    assert!(classes(reader(&llama), labelled(), Vec::new()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn scores_do_not_depend_on_what_is_read_together(
        positions in proptest::collection::vec(0_usize..7, 0..9),
        step_tokens in 1_usize..40,
        rows in 1_usize..6,
        nodes in 1_usize..12,
    ) {
        let language = language("mistral");
        let all = class_scores(reader(&language), Texts::labelled(), &(0..7).collect::<Vec<_>>(), None);
        let limits = Some(narrow(step_tokens, rows, nodes));
        let found = class_scores(reader(&language), Texts::labelled(), &positions, limits);
        let rows: Vec<Vec<f64>> =
            positions.iter().map(|&at| all.row(at).iter().map(|score| f64::from(*score)).collect()).collect();
        assert_rows(&found, &rows, 1e-4, "in another batch");
    }
}
