//! Norms over the hidden dimension: root mean square (Zhang and Sennrich 2019) and layer norm (Ba et al. 2016).

use tch::{TchError, Tensor};

use crate::domain::Result;
use crate::ml::torch::torch_error;

#[derive(Debug)]
pub(super) enum Norm {
    RootMeanSquare { weight: Tensor, epsilon: f64 },
    Layer { weight: Tensor, bias: Option<Tensor>, epsilon: f64 },
}

impl Norm {
    pub(super) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.apply(input).map_err(torch_error("normalise the hidden states"))
    }

    fn apply(&self, input: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::RootMeanSquare { weight, epsilon } => input.f_rms_norm(weight.size(), Some(weight), *epsilon),
            Self::Layer { weight, bias, epsilon } => {
                input.f_layer_norm(weight.size(), Some(weight), bias.as_ref(), *epsilon, true)
            }
        }
    }
}
