//! What methods share that ask for one gradient, at the input itself.

use std::ops::Range;

use tch::Tensor;

use super::method::{Answer, Context, Method, Question, Subject};
use crate::domain::Result;
use crate::ml::torch::torch_error;

/// `finish` makes the attribution of the subject and its gradient.
#[derive(Debug)]
pub(super) struct SingleGradient {
    pub finish: fn(&Subject, Tensor) -> Result<Tensor>,
}

impl Method for SingleGradient {
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
        rows.shallow_clone().f_copy_(&subject.input).map_err(torch_error("copy the input"))?;
        Ok(None)
    }

    /// In memory of its own: the model's is used again.
    fn add(&self, _: &Subject, answer: &Answer<'_>, _: Option<Tensor>) -> Result<Tensor> {
        let Some(gradient) = answer.gradients else { return Err(super::unasked()) };
        gradient.f_mul_scalar(1.0).map_err(torch_error("copy the gradient"))
    }

    fn finish(&self, subject: &Subject, _: &Context, gradient: Tensor) -> Result<Tensor> {
        (self.finish)(subject, gradient)
    }
}
