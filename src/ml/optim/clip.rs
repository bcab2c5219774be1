//! Clipping by global norm, as `torch.nn.utils.clip_grad_norm_`.

use tch::{Kind, TchError, Tensor};

use crate::domain::Result;
use crate::ml::torch::{NoGrad, torch_error};

/// Euclidean norm over all gradients together; undefined ones count as zero. Not finite if any entry is not.
pub fn global_norm(gradients: &[Tensor]) -> Result<f64> {
    let _guard = NoGrad::enter();
    let norm = || -> std::result::Result<f64, TchError> {
        let defined = gradients.iter().filter(|gradient| gradient.defined());
        let norms: Vec<Tensor> =
            defined.map(|gradient| gradient.f_norm()?.f_to_kind(Kind::Float)).collect::<std::result::Result<_, _>>()?;
        match norms.as_slice() {
            [] => Ok(0.0),
            [only] => only.f_double_value(&[]),
            _ => Tensor::f_stack(&norms, 0)?.f_norm()?.f_double_value(&[]),
        }
    };
    norm().map_err(torch_error("measure the gradient"))
}

/// Scales the gradients in place so that their global norm is at most `limit`; returns the norm before.
pub fn clip_global_norm(gradients: &mut [Tensor], limit: f64) -> Result<f64> {
    const EPSILON: f64 = 1e-6;
    let norm = global_norm(gradients)?;
    let scale = limit / (norm + EPSILON);
    if norm.is_finite() && scale < 1.0 {
        let _guard = NoGrad::enter();
        for gradient in gradients.iter_mut().filter(|gradient| gradient.defined()) {
            let _ = gradient.f_mul_scalar_(scale).map_err(torch_error("clip the gradient"))?;
        }
    }
    Ok(norm)
}
