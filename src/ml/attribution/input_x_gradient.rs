//! Input times gradient: Shrikumar, Greenside, Shcherbina and Kundaje 2016, "Not Just a Black Box", section 2.4: `x * dF/dx` with the
//! model's normalised input. As Captum 0.8's `InputXGradient`.

use std::ops::Range;

use tch::Tensor;

use super::method::{Answer, Context, Method, Question, Subject};
use super::saliency::{only_gradient, write_input};
use crate::domain::Result;
use crate::ml::torch::torch_error;

#[derive(Debug)]
pub(super) struct InputXGradient;

impl Method for InputXGradient {
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

    fn finish(&self, subject: &Subject, _: &Context, gradient: Tensor) -> Result<Tensor> {
        subject.input.f_mul(&gradient).map_err(torch_error("multiply with the input"))
    }
}
