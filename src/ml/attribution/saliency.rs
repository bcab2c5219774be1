//! Saliency: Simonyan, Vedaldi and Zisserman 2014, "Deep Inside Convolutional Networks", section 3: `|dF/dx|`, or signed. Without
//! their maximum over channels, as Captum 0.8's `Saliency`.

use std::ops::Range;

use tch::Tensor;

use super::method::{Answer, Context, Method, Question, Subject};
use crate::domain::Result;
use crate::ml::torch::torch_error;

#[derive(Debug)]
pub(super) struct Saliency {
    pub signed: bool,
}

impl Method for Saliency {
    fn question(&self) -> Question {
        Question::Gradients
    }

    fn row_count(&self) -> usize {
        1
    }

    fn takes_each_baseline(&self) -> bool {
        false
    }

    fn write_rows(&self, subject: &Subject, _: &Context, _: Range<usize>, rows: &Tensor) -> Result<Option<Tensor>> {
        write_input(subject, rows)
    }

    fn add(&self, _: &Subject, answer: &Answer<'_>, _: Option<Tensor>) -> Result<Tensor> {
        only_gradient(answer)
    }

    fn finish(&self, _: &Subject, _: &Context, gradient: Tensor) -> Result<Tensor> {
        if self.signed { Ok(gradient) } else { gradient.f_abs().map_err(torch_error("take absolute values")) }
    }
}

/// The input itself as the only row.
pub(super) fn write_input(subject: &Subject, rows: &Tensor) -> Result<Option<Tensor>> {
    rows.shallow_clone().f_copy_(&subject.input).map_err(torch_error("copy the input"))?;
    Ok(None)
}

/// The gradient by the only row, in memory of its own.
pub(super) fn only_gradient(answer: &Answer<'_>) -> Result<Tensor> {
    let Some(gradient) = answer.gradients else { return Err(super::unasked()) };
    gradient.f_mul_scalar(1.0).map_err(torch_error("copy the gradient"))
}
