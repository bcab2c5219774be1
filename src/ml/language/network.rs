//! The network of a block: two linear layers with a function between them, or three where a gate is one (Shazeer 2020).

use tch::{TchError, Tensor};

use super::config::Activation;
use super::linear::Linear;
use super::lora::Adapter;
use super::parts::Parts;
use crate::domain::Result;
use crate::ml::shim;
use crate::ml::torch::{is_f32_on_cpu, torch_error};

#[derive(Debug)]
pub(super) struct Network {
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
    activation: Activation,
}

impl Network {
    pub(super) fn new(parts: &Parts, block: usize) -> Result<Self> {
        let paths = parts.config.paths();
        Ok(Self {
            gate: paths.gate.map(|name| parts.linear_of(block, name)).transpose()?,
            up: parts.linear_of(block, paths.up)?,
            down: parts.linear_of(block, paths.down)?,
            activation: parts.config.activation,
        })
    }

    pub(super) fn forward(&self, hidden: &Tensor, adapter: Option<&Adapter>) -> Result<Tensor> {
        let failed = torch_error("apply a block's network");
        let up = self.up.forward(hidden, adapter)?;
        let inner = match &self.gate {
            Some(gate) => self.gated(&gate.forward(hidden, adapter)?, &up),
            None => self.activation.apply(&up),
        };
        self.down.forward(&inner.map_err(failed)?, adapter)
    }

    /// In one pass where libtorch would compose it.
    fn gated(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor, TchError> {
        if self.activation == Activation::Silu && is_f32_on_cpu(gate) && is_f32_on_cpu(up) {
            return shim::swiglu(gate, up);
        }
        self.activation.apply(gate)?.f_mul(up)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn one_pass_is_the_composed_gate_and_so_are_its_gradients() {
        tch::manual_seed(5);
        for (shape, spread) in [(vec![3, 41, 96], 3.0), (vec![7], 1e-4), (vec![2, 5], 100.0), (vec![0, 8], 1.0)] {
            let random = || Tensor::randn(&shape, (Kind::Float, Device::Cpu)) * spread;
            let (gate, up, outer) = (random(), random(), random());
            let run = |gated: &dyn Fn(&Tensor, &Tensor) -> Tensor| {
                let leaves = [&gate, &up].map(|tensor| tensor.detach().set_requires_grad(true));
                let output = gated(&leaves[0], &leaves[1]);
                let goal = (&output * &outer).sum(None::<Kind>);
                let mut found = Tensor::run_backward(&[goal], &leaves, false, false);
                found.push(output.detach());
                found
            };
            let found = run(&|gate, up| shim::swiglu(gate, up).unwrap());
            let expected = run(&|gate, up| gate.silu() * up);
            for (found, expected) in found.iter().zip(&expected).filter(|(found, _)| found.numel() > 0) {
                let gap = ((found - expected).abs() / (expected.abs() + spread * spread)).max().double_value(&[]);
                assert!(gap < 1e-6, "{shape:?} {spread}: {gap}");
            }
        }
    }

    #[test]
    fn gates_that_are_far_from_zero_are_open_or_shut_and_what_is_no_number_stays_none() {
        let gate = Tensor::from_slice(&[-1e30_f32, -200.0, -88.0, 0.0, 88.0, 1e30, f32::NAN]);
        let gated = Vec::<f32>::try_from(shim::swiglu(&gate, &gate.ones_like()).unwrap()).unwrap();
        assert!(gated[1].abs() < 1e-30 && gated[2].abs() < 1e-30 && gated[3] == 0.0, "{gated:?}");
        assert!(gated[4] == 88.0 && gated[5] == 1e30 && gated[6].is_nan(), "{gated:?}");
        assert!(shim::swiglu(&gate, &gate.to_kind(Kind::Double)).is_err());
        assert!(shim::swiglu(&gate, &Tensor::ones([6], (Kind::Float, Device::Cpu))).is_err());
    }
}
