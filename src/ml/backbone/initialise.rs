//! Fresh weights as PyTorch's layers initialise themselves: convolutions and linear layers uniformly in `±1/sqrt(fan_in)`
//! (`kaiming_uniform_(a=sqrt(5))`, and the same for biases), BatchNorm as the identity.

use rand::Rng;
use tch::{Device, Kind, TchError, Tensor};

use super::declaration::{Declaration, Role};
use super::module::State;
use crate::ml::random::{Purpose, stream};

/// A value depends on the seed, the tensor's place among the declarations, and nothing else.
pub(super) fn initialise(declarations: &[Declaration], seed: u64) -> Result<State, TchError> {
    let tensors = declarations.iter().enumerate().map(|(index, declaration)| {
        let tensor = match declaration.role {
            Role::Linear { fan_in } => uniform(&declaration.shape, fan_in, seed, index as u64)?,
            Role::Scale | Role::Shift | Role::RunningMean | Role::RunningVariance | Role::BatchCount => {
                constant(declaration)?
            }
        };
        Ok((declaration.name.clone(), tensor))
    });
    tensors.collect()
}

/// What BatchNorm starts with: scale and variance 1, everything else 0.
pub(super) fn constant(declaration: &Declaration) -> Result<Tensor, TchError> {
    let value = match declaration.role {
        Role::Scale | Role::RunningVariance => 1,
        Role::Shift | Role::RunningMean | Role::BatchCount | Role::Linear { .. } => 0,
    };
    Tensor::f_full(&declaration.shape, value, (declaration.role.kind(), Device::Cpu))
}

fn uniform(shape: &[i64], fan_in: i64, seed: u64, index: u64) -> Result<Tensor, TchError> {
    let bound = 1.0 / (fan_in as f32).sqrt();
    let mut random = stream(seed, Purpose::Initialisation, index);
    let count = shape.iter().product::<i64>();
    let values: Vec<f32> = (0..count).map(|_| random.random_range(-bound..bound)).collect();
    Tensor::f_from_slice(&values)?.f_view(shape)?.f_to_kind(Kind::Float)
}
