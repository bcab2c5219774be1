//! Tiny random models against transformers 4.57 (`tests/golden/language/make.py`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::testing::weights;
use super::{Generation, GenerationBatch, GenerationOptions, LanguageConfig, LanguageModel, Sampling, Weights};
use crate::ml::torch::NoGrad;

pub(super) const DECODERS: [&str; 7] = ["llama", "llama3", "mistral", "qwen2", "gpt2", "gpt_neox", "gpt_neox_serial"];
pub(super) const ENCODERS: [&str; 2] = ["bert", "distilbert"];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/language").join(name)
}

pub(super) fn config(name: &str) -> LanguageConfig {
    LanguageConfig::read(&std::fs::read_to_string(folder(name).join("config.json")).unwrap()).unwrap()
}

pub(super) fn load(name: &str, kind: Kind) -> Rc<LanguageModel> {
    let weights = weights(&folder(name));
    Rc::new(LanguageModel::new(config(name), weights, kind, Device::Cpu).unwrap())
}

pub(super) fn golden(name: &str) -> BTreeMap<String, Tensor> {
    Tensor::read_safetensors(folder(name).join("golden.safetensors")).unwrap().into_iter().collect()
}

pub(super) fn gap(left: &Tensor, right: &Tensor) -> f64 {
    assert_eq!(left.size(), right.size());
    (left.to_kind(Kind::Double) - right.to_kind(Kind::Double)).abs().max().double_value(&[])
}

/// Rows of `[N,T,D]` where a token is.
fn picked(values: &Tensor, mask: &Tensor) -> Tensor {
    let width = values.size()[2];
    values.reshape([-1, width]).index_select(0, &mask.reshape([-1]).nonzero().squeeze_dim(1))
}

fn tokens(tensor: &Tensor) -> Vec<u32> {
    Vec::<i64>::try_from(tensor.reshape([-1])).unwrap().into_iter().map(|token| token as u32).collect()
}

fn plain_row(golden: &BTreeMap<String, Tensor>) -> Tensor {
    golden["ig.tokens"].unsqueeze(0)
}

#[test]
fn logits_of_decoders_are_those_of_transformers_whichever_side_is_padded() {
    let _guard = NoGrad::enter();
    for name in DECODERS {
        let (model, golden) = (load(name, Kind::Float), golden(name));
        for side in ["left", "right"] {
            let mask = &golden[&format!("{side}.mask")];
            let embeddings = model.embed(&golden[&format!("{side}.tokens")]).unwrap();
            let logits = picked(&model.forward(&embeddings, Some(mask), None).unwrap(), mask);
            let error = gap(&logits, &golden[&format!("{side}.logits")]);
            assert!(error < 1e-4, "{name} padded on the {side}: {error}");
            let hidden = picked(&model.hidden_at(0, &embeddings, Some(mask), None).unwrap(), mask);
            assert!(gap(&hidden, &golden[&format!("{side}.hidden")]) < 1e-4, "{name} after its first block");
        }
        let embeddings = model.embed(&plain_row(&golden)).unwrap();
        let logits = model.forward(&embeddings, None, None).unwrap().get(0).get(-1);
        assert!(gap(&logits, &golden["plain.logits"]) < 1e-4, "{name} without a mask");
    }
}

#[test]
fn logits_of_classifiers_are_those_of_transformers() {
    let _guard = NoGrad::enter();
    for name in ENCODERS {
        let (model, golden) = (load(name, Kind::Float), golden(name));
        let mask = &golden["right.mask"];
        let embeddings = model.embed(&golden["right.tokens"]).unwrap();
        let error = gap(&model.forward(&embeddings, Some(mask), None).unwrap(), &golden["right.logits"]);
        assert!(error < 1e-4, "{name}: {error}");
        let hidden = picked(&model.hidden_at(0, &embeddings, Some(mask), None).unwrap(), mask);
        assert!(gap(&hidden, &golden["right.hidden"]) < 1e-4, "{name} after its first block");
        let logits = model.forward(&model.embed(&plain_row(&golden)).unwrap(), None, None).unwrap();
        assert!(gap(&logits.get(0), &golden["plain.logits"]) < 1e-4, "{name} without a mask");
    }
}

/// One bf16 step at the largest logits (4 to 8) is 0.03, and roundings add up over two blocks.
#[test]
fn half_precisions_agree_with_transformers_to_their_rounding() {
    let _guard = NoGrad::enter();
    for name in DECODERS {
        let golden = golden(name);
        for (label, kind, tolerance) in [("bf16", Kind::BFloat16, 0.125), ("f16", Kind::Half, 0.016)] {
            let model = load(name, kind);
            let logits = model.forward(&model.embed(&plain_row(&golden)).unwrap(), None, None).unwrap();
            assert_eq!(logits.kind(), kind);
            let error = gap(&logits.get(0).get(-1), &golden[&format!("{label}.logits")]);
            assert!(error < tolerance, "{name} in {label}: {error}");
        }
    }
}

const NEW_TOKENS: usize = 12;

fn greedy() -> GenerationOptions {
    GenerationOptions { most_tokens: NEW_TOKENS, stop: vec![2], sampling: None }
}

/// The rows of a batch without their padding.
fn prompts(golden: &BTreeMap<String, Tensor>) -> Vec<Vec<u32>> {
    let (tokens_of, mask) = (&golden["left.tokens"], &golden["left.mask"]);
    let row = |row: i64| {
        let mask = tokens(&mask.get(row));
        tokens(&tokens_of.get(row))
            .into_iter()
            .zip(mask)
            .filter(|(_, mask)| *mask == 1)
            .map(|(token, _)| token)
            .collect()
    };
    (0..tokens_of.size()[0]).map(row).collect()
}

fn written(batch: &mut GenerationBatch, rows: usize) -> Vec<Vec<u32>> {
    let mut written = vec![Vec::new(); rows];
    while let Some(step) = batch.step().unwrap() {
        for (row, token) in written.iter_mut().zip(step) {
            row.extend(token);
        }
    }
    written
}

fn alone(model: &Rc<LanguageModel>, prompt: &[u32], options: GenerationOptions) -> Vec<u32> {
    let mut generation = Generation::new(model.clone(), None, prompt, options).unwrap();
    let mut written = Vec::new();
    while let Some(token) = generation.next().unwrap() {
        written.push(token);
    }
    written
}

#[test]
fn greedy_tokens_are_those_of_transformers_in_a_padded_batch_and_alone() {
    for name in DECODERS {
        let (model, golden) = (load(name, Kind::Float), golden(name));
        let prompts = prompts(&golden);
        let mut batch = GenerationBatch::new(model.clone(), None, &prompts, greedy()).unwrap();
        for (row, found) in written(&mut batch, prompts.len()).into_iter().enumerate() {
            let expected = tokens(&golden["greedy"].get(row as i64));
            let length = expected.iter().position(|&token| token == 2).map_or(expected.len(), |end| end + 1);
            assert_eq!(found, expected[..length], "{name}, row {row}");
        }
        assert_eq!(alone(&model, &prompts[1], greedy()), tokens(&golden["greedy.alone"]), "{name} alone");
    }
}

#[test]
fn sampled_tokens_depend_on_the_seed_alone() {
    let sampled = |seed| {
        let sampling = Sampling { temperature: 1.5, top_k: 50, top_p: 0.95, seed };
        GenerationOptions { most_tokens: 20, stop: Vec::new(), sampling: Some(sampling) }
    };
    let model = load("llama", Kind::Float);
    let prompts = prompts(&golden("llama"));
    let first = alone(&model, &prompts[0], sampled(1));
    assert_eq!(first.len(), 20);
    assert_eq!(first, alone(&model, &prompts[0], sampled(1)));
    assert_ne!(first, alone(&model, &prompts[0], sampled(2)));
    let mut batch = GenerationBatch::new(model, None, &prompts, sampled(1)).unwrap();
    assert_eq!(written(&mut batch, prompts.len())[0], first);
}

#[test]
fn a_generation_ends_where_the_context_does() {
    let model = load("gpt2", Kind::Float);
    let prompt = vec![5; 60];
    assert_eq!(alone(&model, &prompt, GenerationOptions { stop: Vec::new(), ..greedy() }).len(), 4);
    let refused = |prompt: &[u32]| Generation::new(model.clone(), None, prompt, greedy()).unwrap_err().reason;
    assert_eq!(refused(&[5; 64]), "CONTEXT_EXCEEDED");
    assert_eq!(refused(&[]), "EMPTY_PROMPT");
    let classifier = load("bert", Kind::Float);
    assert_eq!(Generation::new(classifier, None, &[5], greedy()).unwrap_err().reason, "NOT_GENERATIVE");
}

#[test]
fn gradients_reach_the_embeddings_and_equal_finite_differences() {
    for name in DECODERS.into_iter().chain(ENCODERS) {
        let model = load(name, Kind::Float);
        let embeddings = model.embed(&plain_row(&golden(name))).unwrap().detach().set_requires_grad(true);
        let score = |embeddings: &Tensor| model.forward(embeddings, None, None).unwrap().square().mean(Kind::Double);
        let gradient = &Tensor::run_backward(&[score(&embeddings)], &[&embeddings], false, false)[0];
        let way = gradient / gradient.norm();
        let end = |step: f64| {
            let _guard = NoGrad::enter();
            score(&(&embeddings + &way * step)).double_value(&[])
        };
        let slope = (end(1e-2) - end(-1e-2)) / 2e-2;
        let expected = gradient.norm().double_value(&[]);
        assert!((slope - expected).abs() < 0.02 * expected, "{name}: {slope} {expected}");
    }
}

mod refusals {
    use super::*;
    use crate::domain::Error;

    fn refusal(name: &str, change: impl FnOnce(&mut BTreeMap<String, Tensor>)) -> Error {
        let weights = weights(&folder(name));
        let mut tensors: BTreeMap<_, _> =
            weights.tensors().iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        change(&mut tensors);
        LanguageModel::new(config(name), Weights::from_tensors(tensors), Kind::Float, Device::Cpu).unwrap_err()
    }

    const LAYER: &str = "model.layers.0.mlp.up_proj.weight";

    #[test]
    fn what_is_wrong_with_weights_is_named() {
        let missing = refusal("llama", |tensors| drop(tensors.remove(LAYER)));
        assert_eq!(missing.reason, "MISSING_TENSOR");
        assert!(missing.message.contains(LAYER), "{missing}");
        let surplus =
            refusal("llama", |tensors| drop(tensors.insert("model.extra".into(), Tensor::from_slice(&[1.0_f32]))));
        assert_eq!(surplus.reason, "UNEXPECTED_TENSOR");
        assert!(surplus.message.contains("model.extra"), "{surplus}");
        let shape = refusal("llama", |tensors| {
            drop(tensors.insert(LAYER.into(), Tensor::ones([3, 3], (Kind::Float, Device::Cpu))))
        });
        assert_eq!(shape.reason, "TENSOR_SHAPE_MISMATCH");
        let values = refusal("llama", |tensors| {
            let values = tensors[LAYER].copy();
            let _ = values.get(0).get(0).fill_(f64::NAN);
            tensors.insert(LAYER.into(), values);
        });
        assert_eq!(values.reason, "NON_FINITE_WEIGHTS");
        assert!(values.message.contains(LAYER), "{values}");
    }

    #[test]
    fn a_vocabulary_of_another_size_and_a_missing_head_are_told() {
        let rows = refusal("llama", |tensors| {
            let table = tensors["model.embed_tokens.weight"].narrow(0, 0, 90);
            tensors.insert("model.embed_tokens.weight".into(), table);
        });
        assert_eq!(rows.reason, "VOCABULARY_MISMATCH");
        assert!(rows.message.contains("101") && rows.message.contains("90"), "{rows}");
        let headless = refusal("bert", |tensors| tensors.retain(|name, _| !name.starts_with("classifier")));
        assert_eq!(headless.reason, "LANGUAGE_HEAD_MISSING");
    }

    #[test]
    fn files_of_bare_models_and_with_buffers_are_read() {
        let weights = weights(&folder("gpt2"));
        let bare = weights
            .tensors()
            .iter()
            .map(|(name, tensor)| (name.trim_start_matches("transformer.").to_owned(), tensor.shallow_clone()));
        let mut bare: BTreeMap<_, _> = bare.collect();
        bare.insert("h.0.attn.bias".into(), Tensor::ones([1, 1, 64, 64], (Kind::Float, Device::Cpu)));
        bare.insert("lm_head.weight".into(), bare["wte.weight"].shallow_clone());
        let model = LanguageModel::new(config("gpt2"), Weights::from_tensors(bare), Kind::Float, Device::Cpu).unwrap();
        let row = plain_row(&golden("gpt2"));
        let logits = model.forward(&model.embed(&row).unwrap(), None, None).unwrap();
        assert!(gap(&logits.get(0).get(-1), &golden("gpt2")["plain.logits"]) < 1e-4);
    }

    #[test]
    fn tokens_layers_and_lengths_out_of_range_are_refused() {
        let model = load("llama", Kind::Float);
        assert_eq!(model.embed(&Tensor::from_slice(&[101_i64]).view([1, 1])).unwrap_err().reason, "TOKEN_OUT_OF_RANGE");
        assert_eq!(model.embed(&Tensor::from_slice(&[-1_i64]).view([1, 1])).unwrap_err().reason, "TOKEN_OUT_OF_RANGE");
        let long = model.embed(&Tensor::zeros([1, 65], (Kind::Int64, Device::Cpu))).unwrap();
        assert_eq!(model.hidden(&long, None, None).unwrap_err().reason, "CONTEXT_EXCEEDED");
        assert_eq!(model.hidden_at(2, &long, None, None).unwrap_err().reason, "LAYER_OUT_OF_RANGE");
    }

    #[test]
    fn weights_in_the_models_own_precision_stay_views_of_their_file() {
        let weights = weights(&folder("llama"));
        let place = |tensors: &BTreeMap<String, Tensor>| tensors[LAYER].data_ptr();
        let before = place(weights.tensors());
        let model = LanguageModel::new(config("llama"), weights, Kind::Float, Device::Cpu).unwrap();
        assert_eq!(place(model.tensors()), before);
    }
}
