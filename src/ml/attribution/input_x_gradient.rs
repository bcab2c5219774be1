//! Input times gradient: Shrikumar, Greenside, Shcherbina and Kundaje 2016, "Not Just a Black Box", section 2.4: `x * dF/dx` with the
//! model's normalised input. As Captum 0.8's `InputXGradient`.

use super::single_gradient::SingleGradient;
use crate::ml::torch::torch_error;

pub(super) fn input_x_gradient() -> SingleGradient {
    SingleGradient {
        finish: |subject, gradient| subject.input.f_mul(&gradient).map_err(torch_error("multiply with the input")),
    }
}
