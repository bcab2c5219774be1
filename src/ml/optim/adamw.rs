//! AdamW (Loshchilov and Hutter, arXiv 1711.05101), as `torch.optim.AdamW`; weight decay does not enter the moments:
//!
//! ```text
//! θ ← θ (1 − η λ)    m ← β₁ m + (1−β₁) g    v ← β₂ v + (1−β₂) g²
//! θ ← θ − η/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε)
//! ```

use tch::{TchError, Tensor};

#[derive(Debug)]
pub(super) struct AdamW {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
    first: Vec<Tensor>,
    second: Vec<Tensor>,
}

impl AdamW {
    pub(super) fn new(
        beta1: f64,
        beta2: f64,
        epsilon: f64,
        weight_decay: f64,
        parameters: &[Tensor],
    ) -> Result<Self, TchError> {
        let zeros =
            || parameters.iter().map(|parameter| parameter.f_detach()?.f_zeros_like()).collect::<Result<_, _>>();
        Ok(Self { beta1, beta2, epsilon, weight_decay, first: zeros()?, second: zeros()? })
    }

    pub(super) fn first(&self) -> &[Tensor] {
        &self.first
    }

    pub(super) fn second(&self) -> &[Tensor] {
        &self.second
    }

    /// `step` counts from 1.
    pub(super) fn update(
        &mut self,
        slot: usize,
        parameter: &mut Tensor,
        gradient: &Tensor,
        learning_rate: f64,
        step: u64,
    ) -> Result<(), TchError> {
        let (first, second) = (&mut self.first[slot], &mut self.second[slot]);
        let _ = first.f_lerp_(gradient, 1.0 - self.beta1)?;
        let square = gradient.f_mul(gradient)?.f_mul_scalar_(1.0 - self.beta2)?;
        let _ = second.f_mul_scalar_(self.beta2)?.f_add_(&square)?;
        let correction = |beta: f64| 1.0 - beta.powf(step as f64);
        let scale = learning_rate / correction(self.beta1);
        let denominator = second.f_sqrt()?.f_div_scalar_(correction(self.beta2).sqrt())?.f_add_scalar_(self.epsilon)?;
        let _ = parameter.f_mul_scalar_(1.0 - learning_rate * self.weight_decay)?;
        parameter.f_sub_(&first.f_div(&denominator)?.f_mul_scalar_(scale)?).map(drop)
    }
}
