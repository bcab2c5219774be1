//! The functions between linear layers.

use tch::{TchError, Tensor};

use super::config::Activation;

impl Activation {
    pub(super) fn apply(self, input: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Silu => input.f_silu(),
            Self::Gelu => input.f_gelu("none"),
            Self::GeluTanh => input.f_gelu("tanh"),
            Self::Relu => input.f_relu(),
            Self::Tanh => input.f_tanh(),
        }
    }
}
