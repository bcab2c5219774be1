//! How much of a text goes through a model in one step, so that others get their turn soon.

use super::model::LanguageModel;

/// Operations of a step of some 400 ms on two cores, and on a GPU.
const CPU_OPERATIONS: f64 = 6e10;
const CUDA_OPERATIONS: f64 = 6e12;

/// What is done with the tokens of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// Read, without a way back.
    Forward,
    /// Read, and differentiated.
    Backward,
}

impl Effort {
    /// For each weight and token.
    fn operations(self) -> f64 {
        match self {
            Self::Forward => 2.0,
            Self::Backward => 6.0,
        }
    }

    /// Tokens of a step however small the model is.
    fn most_tokens(self) -> usize {
        match self {
            Self::Forward => 2048,
            Self::Backward => 1024,
        }
    }
}

/// Tokens of one step, of all rows together; at least one.
pub(super) fn step_tokens(model: &LanguageModel, effort: Effort) -> usize {
    let weights: usize = model.tensors().values().map(tch::Tensor::numel).sum();
    let operations = if model.device().is_cuda() { CUDA_OPERATIONS } else { CPU_OPERATIONS };
    ((operations / (effort.operations() * weights as f64)) as usize).clamp(1, effort.most_tokens())
}
