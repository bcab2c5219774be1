//! Stochastic gradient descent with momentum, as `torch.optim.SGD` (dampening 0, weight decay added to the gradient):
//!
//! ```text
//! g ← g + λ θ        b ← μ b + g  (b = g at the first step)        θ ← θ − η (nesterov ? g + μ b : b)
//! ```

use tch::{TchError, Tensor};

#[derive(Debug)]
pub(super) struct Sgd {
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
    /// Empty without momentum.
    momenta: Vec<Tensor>,
}

impl Sgd {
    pub(super) fn new(
        momentum: f64,
        nesterov: bool,
        weight_decay: f64,
        parameters: &[Tensor],
    ) -> Result<Self, TchError> {
        let momenta = match momentum {
            0.0 => Vec::new(),
            _ => parameters.iter().map(|parameter| parameter.f_detach()?.f_zeros_like()).collect::<Result<_, _>>()?,
        };
        Ok(Self { momentum, nesterov, weight_decay, momenta })
    }

    pub(super) fn momenta(&self) -> &[Tensor] {
        &self.momenta
    }

    pub(super) fn update(
        &mut self,
        slot: usize,
        parameter: &mut Tensor,
        gradient: &Tensor,
        learning_rate: f64,
        first: bool,
    ) -> Result<(), TchError> {
        let gradient = self.decayed(parameter, gradient)?;
        let step = match self.momenta.get_mut(slot) {
            None => gradient,
            Some(buffer) => {
                match first {
                    true => drop(buffer.f_copy_(&gradient)?),
                    false => drop(buffer.f_mul_scalar_(self.momentum)?.f_add_(&gradient)?),
                }
                match self.nesterov {
                    true => gradient.f_add(&buffer.f_mul_scalar(self.momentum)?)?,
                    false => buffer.shallow_clone(),
                }
            }
        };
        parameter.f_sub_(&step.f_mul_scalar(learning_rate)?).map(drop)
    }

    fn decayed(&self, parameter: &Tensor, gradient: &Tensor) -> Result<Tensor, TchError> {
        match self.weight_decay {
            0.0 => Ok(gradient.shallow_clone()),
            decay => gradient.f_add(&parameter.f_mul_scalar(decay)?),
        }
    }
}
