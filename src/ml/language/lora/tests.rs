//! Promises of adapters.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

use super::*;
use crate::domain::Error;
use crate::domain::text_training::{LoraSpec, LoraTargets};

fn layer(path: &str, inputs: i64, outputs: i64) -> LayerShape {
    LayerShape { path: path.to_owned(), inputs, outputs }
}

fn base() -> Vec<LayerShape> {
    let block = |index: usize| {
        ["q_proj", "k_proj", "v_proj"].map(|name| layer(&format!("model.layers.{index}.self_attn.{name}"), 6, 4))
    };
    [block(0), block(1)].concat()
}

fn named(names: &[&str]) -> LoraSpec {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    LoraSpec { rank: 2, alpha: 4.0, targets: LoraTargets::Named(names), ..LoraSpec::default() }
}

fn fresh(spec: &LoraSpec, seed: u64) -> Adapter {
    Adapter::initialise(spec, &base(), seed, Device::Cpu).unwrap()
}

/// As after some training: B is not zero.
fn trained(seed: u64) -> Adapter {
    let start = fresh(&named(&["q_proj", "v_proj"]), seed);
    let layers = start.layers().iter().map(|(path, low_rank)| {
        let b =
            Tensor::from_slice(&[0.5_f32, -1.0, 0.25, 2.0, 1.5, -0.75, 0.125, 1.0]).view([4, 2]) * (seed + 1) as f64;
        (path.clone(), LowRank { a: low_rank.a.shallow_clone(), b, scale: low_rank.scale })
    });
    Adapter::new(layers.collect())
}

fn gap(left: &Tensor, right: &Tensor) -> f64 {
    (left - right).abs().max().double_value(&[])
}

#[test]
fn a_new_adapter_changes_nothing_and_is_drawn_from_its_bounds() {
    let adapter = fresh(&named(&["q_proj", "v_proj"]), 3);
    assert_eq!(adapter.layers().len(), 4);
    let input = Tensor::ones([5, 6], (Kind::Float, Device::Cpu));
    for (path, low_rank) in adapter.layers() {
        assert_eq!(adapter.delta(path, &input).unwrap().unwrap().abs().max().double_value(&[]), 0.0);
        assert_eq!((low_rank.a.size(), low_rank.b.size(), low_rank.scale), (vec![2, 6], vec![4, 2], 2.0));
        let largest = low_rank.a.abs().max().double_value(&[]);
        assert!((0.2..=1.0 / 6.0_f64.sqrt() + 1e-7).contains(&largest), "{largest}");
    }
    assert!(adapter.delta("model.layers.0.self_attn.k_proj", &input).unwrap().is_none());
}

#[test]
fn values_follow_from_the_seed_and_the_layer_alone() {
    let (few, many) =
        (fresh(&named(&["v_proj"]), 3), fresh(&LoraSpec { targets: LoraTargets::AllLinear, ..named(&[]) }, 3));
    assert_eq!(many.layers().len(), 6);
    assert!(few.layers().iter().all(|(path, low_rank)| low_rank.a == many.layers()[path].a));
    assert!(few.layers().iter().all(|(path, low_rank)| low_rank.a != fresh(&named(&["v_proj"]), 4).layers()[path].a));
}

#[test]
fn an_unknown_target_is_answered_with_the_candidates() {
    let error = Adapter::initialise(&named(&["q_proj", "query"]), &base(), 0, Device::Cpu).unwrap_err();
    assert_eq!((error.reason, error.violations[0].field.as_str()), ("UNKNOWN_TARGET_MODULE", "target_modules[1]"));
    assert!(error.message.contains("`k_proj`, `q_proj`, `v_proj`"), "{error}");
    let whole = named(&["layers.1.self_attn.q_proj"]);
    assert_eq!(fresh(&whole, 0).layers().len(), 1);
    assert!(Adapter::initialise(&named(&["proj"]), &base(), 0, Device::Cpu).is_err());
    assert!(Adapter::initialise(&named(&[]), &base(), 0, Device::Cpu).is_err());
}

#[test]
fn nonsense_settings_are_named_by_field() {
    let refused = |spec: LoraSpec| {
        Adapter::initialise(&spec, &base(), 0, Device::Cpu).err().map(|error| error.violations[0].field.clone())
    };
    assert_eq!(refused(LoraSpec { rank: 0, ..named(&["q_proj"]) }).as_deref(), Some("rank"));
    assert_eq!(refused(LoraSpec { alpha: f64::NAN, ..named(&["q_proj"]) }).as_deref(), Some("alpha"));
    assert_eq!(refused(LoraSpec { dropout: 1.0, ..named(&["q_proj"]) }).as_deref(), Some("dropout"));
}

#[test]
fn dropout_repeats_within_a_step_and_keeps_the_mean() {
    let dropout = Dropout { rate: 0.25, seed: 7, step: 3, batch: 0 };
    let input = Tensor::ones([200, 100], (Kind::Float, Device::Cpu));
    let apply = |dropout: Dropout, layer| dropout.apply(layer, &input).unwrap();
    assert_eq!(apply(dropout, 1), apply(dropout, 1));
    assert_ne!(apply(dropout, 1), apply(dropout, 2));
    assert_ne!(apply(dropout, 1), apply(Dropout { step: 4, ..dropout }, 1));
    assert_ne!(apply(dropout, 1), apply(Dropout { batch: 1, ..dropout }, 1));
    let dropped = apply(dropout, 1).eq(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
    assert!((dropped - 0.25).abs() < 0.01, "{dropped}");
    assert!((apply(dropout, 1).mean(Kind::Double).double_value(&[]) - 1.0).abs() < 0.02);
    assert_eq!(apply(Dropout { rate: 0.0, ..dropout }, 1), input);
}

#[test]
fn merging_adds_what_the_adapter_does_and_unmerging_takes_it_away() {
    let adapter = trained(0);
    let weight = Tensor::arange(24, (Kind::Float, Device::Cpu)).view([4, 6]) / 7.0;
    let input = Tensor::arange(12, (Kind::Float, Device::Cpu)).view([2, 6]) / 5.0;
    let path = "model.layers.1.self_attn.q_proj";
    let merged = adapter.merged(path, &weight).unwrap().unwrap();
    let expected = input.linear::<&Tensor>(&weight, None) + adapter.delta(path, &input).unwrap().unwrap();
    assert!(gap(&input.linear::<&Tensor>(&merged, None), &expected) < 1e-5);
    assert!(gap(&adapter.unmerged(path, &merged).unwrap().unwrap(), &weight) < 1e-6);
    assert!(adapter.merged("model.layers.1.self_attn.k_proj", &weight).unwrap().is_none());
    let infinite = adapter.merged(path, &(weight * f64::INFINITY)).unwrap_err();
    assert_eq!(infinite.reason, "NON_FINITE_ADAPTER");
}

fn files(adapter: &Adapter) -> AdapterFiles {
    AdapterFiles::of(adapter, &named(&["q_proj", "v_proj"]), TaskKind::Causal, "base").unwrap()
}

fn load(files: &AdapterFiles, base: &[LayerShape]) -> Result<LoadedAdapter, Error> {
    files.load(base, &[("score.weight".to_owned(), vec![3, 6])], Device::Cpu)
}

#[test]
fn files_bring_back_the_same_adapter() {
    let directory = tempfile::tempdir().unwrap();
    let score = Tensor::ones([3, 6], (Kind::Float, Device::Cpu)) * 0.5;
    let adapter = trained(0).with_saved(BTreeMap::from([("score.weight".to_owned(), score)]));
    files(&adapter).write(&directory.path().join("adapter")).unwrap();
    let read = AdapterFiles::read(&directory.path().join("adapter"), u64::MAX).unwrap();
    assert_eq!(read, files(&adapter));
    let loaded = load(&read, &base()).unwrap();
    assert_eq!((loaded.spec, loaded.task), (named(&["q_proj", "v_proj"]), Some(TaskKind::Causal)));
    assert!(loaded.adapter.tensors() == adapter.tensors());
    assert!(loaded.adapter.layers().values().all(|low_rank| low_rank.scale == 2.0));
    assert_eq!(AdapterFiles::read(directory.path(), u64::MAX).unwrap_err().reason, "MALFORMED_ADAPTER");
}

#[test]
fn an_adapter_of_another_model_is_refused() {
    let files = files(&trained(0));
    let wider: Vec<LayerShape> = base().into_iter().map(|layer| LayerShape { inputs: 8, ..layer }).collect();
    let error = load(&files, &wider).unwrap_err();
    assert_eq!(error.reason, "ADAPTER_MISMATCH");
    assert!(error.message.contains("maps 8 to 4 values in this model and 6 to 4"), "{error}");
    let shorter = &base()[..3];
    let error = load(&files, shorter).unwrap_err();
    assert!(error.message.contains("`model.layers.1.self_attn.q_proj`, which this model does not have"), "{error}");
}

#[test]
fn what_would_change_the_meaning_is_refused() {
    let files = files(&trained(0));
    for (from, to, field) in [
        ("\"use_dora\": false", "\"use_dora\": true", "use_dora"),
        ("\"bias\": \"none\"", "\"bias\": \"all\"", "bias"),
        ("\"LORA\"", "\"LOHA\"", "peft_type"),
        ("\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa_niter_4\"", "init_lora_weights"),
    ] {
        let changed = AdapterFiles { config: files.config.replace(from, to), ..files.clone() };
        let error = load(&changed, &base()).unwrap_err();
        assert_eq!((error.reason, error.violations[0].field.as_str()), ("UNSUPPORTED_ADAPTER", field));
    }
    let changed = AdapterFiles { config: "{}".to_owned(), ..files.clone() };
    assert_eq!(load(&changed, &base()).unwrap_err().reason, "MALFORMED_ADAPTER");
}

#[test]
fn a_pattern_of_alphas_holds_for_its_layers() {
    let mut files = files(&trained(0));
    files.config =
        files.config.replace("\"alpha_pattern\": {}", "\"alpha_pattern\": {\"layers.1.self_attn.q_proj\": 32}");
    let loaded = load(&files, &base()).unwrap();
    let scale = |path: &str| loaded.adapter.layers()[path].scale;
    assert_eq!(scale("model.layers.1.self_attn.q_proj"), 16.0);
    assert_eq!(scale("model.layers.0.self_attn.q_proj"), 2.0);
}

proptest! {
    #[test]
    fn damaged_files_are_errors_and_nothing_worse(position in 0_usize..4000, value: u8, cut in 0_usize..4000) {
        let mut files = files(&trained(0));
        let length = files.weights.len();
        files.weights[position % length] = value;
        let _ = load(&files, &base());
        files.weights.truncate(cut % length);
        prop_assert!(load(&files, &base()).is_err());
    }
}
