//! Values and gradients in f64 against torch (`tests/golden/lora/make.py`).

use std::collections::HashMap;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::*;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/lora").join(name)
}

struct Golden {
    tensors: HashMap<String, Tensor>,
    values: Value,
    /// Flat places whose next token is labelled, that token, its example.
    rows: Tensor,
    targets: Tensor,
    owners: Tensor,
    lengths: Tensor,
}

const LENGTH: usize = 12;

/// The first four examples.
fn read() -> Golden {
    let tensors: HashMap<String, Tensor> =
        Tensor::read_safetensors(golden("golden.safetensors")).unwrap().into_iter().collect();
    let values = serde_json::from_str(&std::fs::read_to_string(golden("golden.json")).unwrap()).unwrap();
    let labels = Vec::<i64>::try_from(tensors["labels"].narrow(0, 0, 4).reshape(-1)).unwrap();
    let labelled: Vec<usize> = (0..labels.len()).filter(|&place| labels[place] >= 0).collect();
    let pick = |value: &dyn Fn(usize) -> i64| {
        Tensor::from_slice(&labelled.iter().map(|&place| value(place)).collect::<Vec<i64>>())
    };
    let lengths: Vec<f64> =
        (0..4).map(|row| labelled.iter().filter(|&place| place / LENGTH == row).count() as f64).collect();
    Golden {
        values,
        rows: pick(&|place| place as i64 - 1),
        targets: pick(&|place| labels[place]),
        owners: pick(&|place| (place / LENGTH) as i64),
        lengths: Tensor::from_slice(&lengths),
        tensors,
    }
}

impl Golden {
    fn check(&self, name: &str, input: &Tensor, loss: &Tensor) {
        let expected = self.values[format!("loss.{name}")].as_f64().unwrap();
        let found = loss.double_value(&[]);
        assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{name}: {found} instead of {expected}");
        let gradient = &Tensor::run_backward(&[loss], &[input], false, false)[0];
        let expected = &self.tensors[&format!("loss.{name}.gradient")];
        let gap = (gradient - expected).abs().max().double_value(&[]);
        assert!(gap <= 1e-12 * expected.abs().max().double_value(&[]), "{name}: gradients are {gap} apart");
    }

    fn leaf(&self, name: &str) -> Tensor {
        self.tensors[name].copy().set_requires_grad(true)
    }

    fn scored(&self, logits: &Tensor) -> Tensor {
        logits.flatten(0, 1).index_select(0, &self.rows)
    }

    fn sequences(&self, logits: &Tensor) -> Tensor {
        sequence_losses(&token_losses(&self.scored(logits), &self.targets).unwrap(), &self.owners, 4).unwrap()
    }
}

#[test]
fn likelihoods_and_divergences_equal_torch() {
    let golden = read();
    let logits = golden.leaf("loss.logits");
    let losses = token_losses(&golden.scored(&logits), &golden.targets).unwrap();
    golden.check("sft", &logits, &losses.mean(None::<Kind>));
    let logits = golden.leaf("loss.logits");
    let other = golden.scored(&golden.tensors["loss.other"]);
    golden.check("kl", &logits, &divergences(&golden.scored(&logits), &other).unwrap().mean(None::<Kind>));
}

#[test]
fn preference_losses_equal_torch() {
    let golden = read();
    let reference = golden.sequences(&golden.tensors["loss.other"]);
    let logits = golden.leaf("loss.logits");
    let loss = npo(&golden.sequences(&logits), &reference, 0.1).unwrap();
    golden.check("npo", &logits, &loss.mean(None::<Kind>));
    let logits = golden.leaf("loss.logits");
    let loss = simnpo(&golden.sequences(&logits), &golden.lengths, 4.5, 0.2).unwrap();
    golden.check("simnpo", &logits, &loss.mean(None::<Kind>));
}

#[test]
fn steering_equals_torch() {
    let golden = read();
    let hidden = golden.leaf("loss.hidden");
    let rows = hidden.flatten(0, 1).index_select(0, &(&golden.rows + 1));
    let aim = &golden.tensors["loss.direction"];
    let loss = distances(&rows, aim, &golden.owners, &golden.lengths).unwrap();
    golden.check("rmu", &hidden, &loss.mean(None::<Kind>));
}

#[test]
fn a_direction_has_the_length_asked_for_and_follows_from_the_seed() {
    let draw = |seed| direction(64, 2.0, seed, Device::Cpu).unwrap();
    assert!((draw(1).norm().double_value(&[]) - 2.0).abs() < 1e-5);
    assert!(draw(1) == draw(1) && draw(1) != draw(2));
    assert!(draw(1).min().double_value(&[]) >= 0.0);
}

proptest! {
    /// With a small β NPO's gradient is that of gradient ascent; far below the reference it vanishes.
    #[test]
    fn npo_lies_between_ascent_and_rest(nll in 0.0_f64..20.0, reference in 0.0_f64..20.0) {
        let gradient = |beta: f64| {
            let losses = Tensor::from_slice(&[nll]).set_requires_grad(true);
            let loss = npo(&losses, &Tensor::from_slice(&[reference]), beta).unwrap().sum(None::<Kind>);
            Tensor::run_backward(&[loss], &[&losses], false, false)[0].double_value(&[0])
        };
        prop_assert!((gradient(1e-7) + 1.0).abs() < 1e-5);
        for beta in [0.1, 1.0, 5.0] {
            let weight = 2.0 / (1.0 + (beta * (nll - reference)).exp());
            prop_assert!((gradient(beta) + weight).abs() < 1e-9, "{} instead of {weight}", gradient(beta));
        }
    }

    #[test]
    fn divergence_is_zero_from_itself_and_never_negative(values in proptest::collection::vec(-5.0_f64..5.0, 10)) {
        let rows = Tensor::from_slice(&values).view([2, 5]);
        prop_assert!(divergences(&rows, &rows).unwrap().abs().max().double_value(&[]) < 1e-12);
        let flat = Tensor::zeros([2, 5], (Kind::Double, Device::Cpu));
        prop_assert!(divergences(&flat, &rows).unwrap().min().double_value(&[]) >= -1e-12);
    }
}
