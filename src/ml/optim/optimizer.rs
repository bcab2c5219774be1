//! One optimiser of either kind, and its state by name.

use tch::{Kind, TchError, Tensor};

use super::adamw::AdamW;
use super::sgd::Sgd;
use crate::domain::finetune::Optimizer as Choice;
use crate::domain::{Error, ErrorKind, Result};
use crate::ml::torch::{NoGrad, torch_error};

const STEP: &str = "optimizer.step";

/// Moves parameters in place. They are shared with the model that they were taken from.
#[derive(Debug)]
pub struct Optimizer {
    names: Vec<String>,
    parameters: Vec<Tensor>,
    rule: Rule,
    steps: u64,
}

#[derive(Debug)]
enum Rule {
    Sgd(Sgd),
    AdamW(AdamW),
}

impl Optimizer {
    /// All state (momenta) starts at zero.
    pub fn new(choice: Choice, weight_decay: f64, parameters: Vec<(String, Tensor)>) -> Result<Self> {
        let (names, parameters): (Vec<String>, Vec<Tensor>) = parameters.into_iter().unzip();
        let rule = match choice {
            Choice::Sgd { momentum, nesterov } => {
                Sgd::new(momentum, nesterov, weight_decay, &parameters).map(Rule::Sgd)
            }
            Choice::AdamW { beta1, beta2, epsilon } => {
                AdamW::new(beta1, beta2, epsilon, weight_decay, &parameters).map(Rule::AdamW)
            }
        };
        Ok(Self { names, parameters, rule: rule.map_err(torch_error("create the optimiser"))?, steps: 0 })
    }

    /// Number of steps done.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    /// The parameters by name, sharing memory.
    pub fn names_and_parameters(&self) -> Vec<(String, Tensor)> {
        self.names.iter().cloned().zip(self.parameters.iter().map(Tensor::shallow_clone)).collect()
    }

    /// One step. `gradients` are in the order of the parameters; an undefined one leaves its parameter as it is.
    pub fn step(&mut self, gradients: &[Tensor], learning_rate: f64) -> Result<()> {
        debug_assert_eq!(gradients.len(), self.parameters.len(), "one gradient for each parameter");
        let _guard = NoGrad::enter();
        self.steps += 1;
        let first = self.steps == 1;
        let mut update = |(slot, (parameter, gradient)): (usize, (&mut Tensor, &Tensor))| match &mut self.rule {
            Rule::Sgd(sgd) => sgd.update(slot, parameter, gradient, learning_rate, first),
            Rule::AdamW(adamw) => adamw.update(slot, parameter, gradient, learning_rate, self.steps),
        };
        let defined =
            self.parameters.iter_mut().zip(gradients).enumerate().filter(|(_, (_, gradient))| gradient.defined());
        defined.into_iter().try_for_each(&mut update).map_err(torch_error("take an optimiser step"))
    }

    /// Everything a step depends on besides parameters and gradients, sorted by name, sharing memory.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = vec![(STEP.to_owned(), Tensor::from_slice(&[self.steps as i64]))];
        for (role, tensors) in self.roles() {
            let named = self.names.iter().zip(tensors);
            state.extend(named.map(|(name, tensor)| (format!("{role}.{name}"), tensor.shallow_clone())));
        }
        state.sort_by(|left, right| left.0.cmp(&right.0));
        state
    }

    /// Takes over what `state` gave. Further names in `saved` are ignored.
    pub fn load_state(&mut self, saved: &[(String, Tensor)]) -> Result<()> {
        let _guard = NoGrad::enter();
        for (name, mut tensor) in self.state() {
            let value = saved.iter().find(|(saved, _)| *saved == name).map(|(_, value)| value);
            let value = value.filter(|value| value.size() == tensor.size()).ok_or_else(|| {
                Error::new(
                    ErrorKind::DataLoss,
                    "CHECKPOINT_DAMAGED",
                    format!("no valid `{name}` in the optimiser state"),
                )
            })?;
            match name.as_str() {
                STEP => self.steps = read_step(value).map_err(torch_error("read the optimiser state"))?,
                _ => tensor.f_copy_(value).map_err(torch_error("load the optimiser state"))?,
            }
        }
        Ok(())
    }

    fn roles(&self) -> Vec<(&'static str, &[Tensor])> {
        match &self.rule {
            Rule::Sgd(sgd) => vec![("momentum", sgd.momenta())],
            Rule::AdamW(adamw) => vec![("first_moment", adamw.first()), ("second_moment", adamw.second())],
        }
    }
}

fn read_step(value: &Tensor) -> std::result::Result<u64, TchError> {
    Ok(value.f_to_kind(Kind::Int64)?.f_int64_value(&[0])?.max(0) as u64)
}
