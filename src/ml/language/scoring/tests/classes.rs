//! Scores of classes.

use proptest::prelude::*;
use tch::Device;

use super::*;
use crate::ml::language::golden::{DECODERS, ENCODERS};
use crate::ml::language::lora::{Adapter, LowRank};
use crate::ml::torch::check_precision;

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
        other @ (TextExample::Completion { .. } | TextExample::Chat { .. } | TextExample::Plain { .. }) => other,
    };
    Texts::new((0..texts.len()).map(example).collect())
}

/// Of a Llama, in two of its layers.
fn adapter(language: &Language) -> Adapter {
    let path = |name: &str| format!("model.layers.1.{name}");
    let layer = |path: String| {
        let size = language.model().tensors()[&format!("{path}.weight")].size();
        let values = |rows: i64, columns: i64| {
            let value = |at: i64| ((at * 37 % 101) as f32 / 101.0) - 0.5;
            Tensor::from_slice(&(0..rows * columns).map(value).collect::<Vec<f32>>()).view([rows, columns])
        };
        (path, LowRank { a: values(2, size[1]), b: values(size[0], 2), scale: 0.5 })
    };
    Adapter::new(["self_attn.v_proj", "mlp.up_proj"].map(|name| layer(path(name))).into())
}

#[test]
fn an_adapter_is_read_with_its_base() {
    let base = language("llama");
    let adapted = Rc::new(base.beside(Rc::new(adapter(&base))));
    let texts = Texts::labelled();
    let expected: Vec<Vec<f64>> = all(&texts).iter().map(|&at| naive_row(&reader(&adapted), &texts, at)).collect();
    let bare = naive_row(&reader(&base), &texts, 0);
    assert!(bare.iter().zip(&expected[0]).any(|(bare, adapted)| (bare - adapted).abs() > 1e-2));
    let found = class_scores(reader(&adapted), Texts::labelled(), &all(&texts), Some(narrow(9, 4, 4)));
    assert_rows(&found, &expected, 1e-4, "with an adapter");
}

#[test]
fn half_precision_gives_nearly_the_same_or_is_refused() {
    for name in ["llama", "gpt2", "mistral"] {
        let language = language(name);
        let texts = Texts::labelled();
        let labels = texts.labels().to_vec();
        let positions = all(&texts);
        let task = ClassScoreTask::new(reader(&language), Arc::new(texts), positions.clone(), labels, Precision::Bf16);
        let refusal = check_precision(Precision::Bf16, Device::Cpu).err().map(|error| error.reason);
        let found = match (task, refusal) {
            (Ok(task), None) => finish(Ok(task)).unwrap(),
            (task, refusal) => {
                assert_eq!(task.err().map(|error| error.reason), refusal);
                continue;
            }
        };
        let exact = class_scores(reader(&language), Texts::labelled(), &positions, None);
        let exact: Vec<Vec<f64>> =
            (0..exact.len()).map(|at| exact.row(at).iter().map(|score| f64::from(*score)).collect()).collect();
        // Sums of some ten log-probabilities, each good to two or three digits.
        assert_rows(&found, &exact, 0.5, name);
    }
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
