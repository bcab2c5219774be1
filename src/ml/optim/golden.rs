//! Ten steps of every optimiser against `torch.optim`, every schedule against `torch.optim.lr_scheduler`.

use std::collections::HashMap;
use std::path::PathBuf;

use tch::Tensor;

use super::*;
use crate::domain::finetune::{Optimizer as Choice, Schedule, Scope, TrainerSpec};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/optim").join(name)
}

fn tensors() -> HashMap<String, Tensor> {
    Tensor::read_safetensors(golden("optim.safetensors")).unwrap().into_iter().collect()
}

fn assert_close(found: &Tensor, expected: &Tensor, what: &str) {
    let distance = (found - expected).abs().max().double_value(&[]);
    let scale = expected.abs().max().double_value(&[]);
    assert!(distance <= 1e-6 * scale, "{what}: {distance} from values up to {scale}");
}

fn gradients(tensors: &HashMap<String, Tensor>, step: usize) -> Vec<Tensor> {
    (0..2).map(|index| tensors[&format!("gradient.{step}.{index}")].copy()).collect()
}

fn parameters(tensors: &HashMap<String, Tensor>) -> Vec<(String, Tensor)> {
    ["start.0", "start.1"].into_iter().map(|name| (name.to_owned(), tensors[name].copy())).collect()
}

fn check(name: &str, choice: Choice, weight_decay: f64, learning_rate: f64, clip: Option<f64>) {
    let tensors = tensors();
    let mut optimizer = Optimizer::new(choice, weight_decay, parameters(&tensors)).unwrap();
    for step in 0..10 {
        let mut gradients = gradients(&tensors, step);
        if let Some(limit) = clip {
            clip_global_norm(&mut gradients, limit).unwrap();
        }
        optimizer.step(&gradients, learning_rate).unwrap();
        for (index, parameter) in optimizer.parameters().iter().enumerate() {
            let expected = &tensors[&format!("{name}.{step}.{index}")];
            assert_close(parameter, expected, &format!("{name}, step {step}, parameter {index}"));
        }
    }
}

#[test]
fn sgd_steps_equal_torch() {
    check("sgd_plain", Choice::Sgd { momentum: 0.0, nesterov: false }, 0.0, 0.05, None);
    check("sgd_momentum_decay", Choice::Sgd { momentum: 0.9, nesterov: false }, 5e-3, 0.05, None);
    check("sgd_nesterov", Choice::Sgd { momentum: 0.9, nesterov: true }, 5e-4, 0.05, None);
    check("sgd_clipped", Choice::Sgd { momentum: 0.9, nesterov: false }, 0.0, 0.05, Some(1.5));
}

#[test]
fn adamw_steps_equal_torch() {
    check("adamw", Choice::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }, 0.01, 0.01, None);
    check("adamw_other", Choice::AdamW { beta1: 0.8, beta2: 0.95, epsilon: 1e-6 }, 0.0, 0.003, None);
}

#[test]
fn saved_state_goes_on_bit_for_bit() {
    let tensors = tensors();
    for choice in
        [Choice::Sgd { momentum: 0.9, nesterov: true }, Choice::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }]
    {
        let mut whole = Optimizer::new(choice, 0.01, parameters(&tensors)).unwrap();
        (0..5).for_each(|step| whole.step(&gradients(&tensors, step), 0.1).unwrap());
        let copies = whole.names_and_parameters().into_iter().map(|(name, value)| (name, value.copy())).collect();
        let mut resumed = Optimizer::new(choice, 0.01, copies).unwrap();
        let saved: Vec<_> = whole.state().into_iter().map(|(name, value)| (name, value.copy())).collect();
        resumed.load_state(&saved).unwrap();
        for step in 5..10 {
            whole.step(&gradients(&tensors, step), 0.1).unwrap();
            resumed.step(&gradients(&tensors, step), 0.1).unwrap();
        }
        assert!(whole.parameters().iter().zip(resumed.parameters()).all(|(left, right)| left == right));
        assert!(resumed.load_state(&saved[1..]).is_err());
    }
}

#[test]
fn schedules_equal_torch() {
    let text = std::fs::read_to_string(golden("schedules.json")).unwrap();
    let golden: HashMap<String, Vec<f64>> = serde_json::from_str(&text).unwrap();
    let cases = [
        ("constant", Schedule::Constant, 0),
        ("step", Schedule::Step { every_epochs: 2, gamma: 0.1 }, 0),
        ("cosine", Schedule::Cosine { minimum: 0.05 }, 0),
        ("warmup_constant", Schedule::Constant, 5),
        ("warmup_cosine", Schedule::Cosine { minimum: 0.0 }, 4),
    ];
    for (name, schedule, warmup_steps) in cases {
        let trainer =
            TrainerSpec { schedule, warmup_steps, learning_rate: 0.4, epochs: 4, ..TrainerSpec::for_scope(Scope::All) };
        let rate = LearningRate::new(&trainer, 6);
        for (step, expected) in golden[name].iter().enumerate() {
            let found = rate.at(step as u64);
            assert!((found - expected).abs() <= 1e-12, "{name}, step {step}: {found} instead of {expected}");
        }
    }
}
