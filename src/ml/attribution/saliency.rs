//! Saliency: Simonyan, Vedaldi and Zisserman 2014, "Deep Inside Convolutional Networks", section 3: `|dF/dx|`, or signed. Without
//! their maximum over channels, as Captum 0.8's `Saliency`.

use super::single_gradient::SingleGradient;
use crate::ml::torch::torch_error;

pub(super) fn saliency(signed: bool) -> SingleGradient {
    SingleGradient {
        finish: match signed {
            true => |_, gradient| Ok(gradient),
            false => |_, gradient| gradient.f_abs().map_err(torch_error("take absolute values")),
        },
    }
}
