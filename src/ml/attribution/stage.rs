//! A part of the work on one item: rows out, answers in.

use std::fmt::Debug;

use tch::Tensor;

use super::method::{Context, Question, Space};
use super::rows::Rows;
use crate::domain::{Error, Result};

/// What the model said of the rows that a stage wrote last, in their order.
#[derive(Debug)]
pub(super) struct Answers<'a> {
    /// The explained output of each row.
    pub outputs: &'a [f64],
    pub gradients: Option<&'a Tensor>,
}

/// Rows out, answers in, until no rows remain.
pub(super) trait Stage: Debug {
    fn question(&self) -> Question {
        Question::Outputs
    }

    fn space(&self) -> Space {
        Space::Images
    }

    /// Rows that can be written before the next answers.
    fn ready(&self) -> usize;

    /// Rows to come in all.
    fn remaining(&self) -> usize {
        self.ready()
    }

    /// Writes as many rows as are ready and have room, and says how many.
    fn write(&mut self, context: &Context, rows: &mut Rows) -> Result<usize>;

    /// Takes the answers to the rows of the last `write`.
    fn accept(&mut self, context: &Context, answers: &Answers<'_>) -> Result<()>;
}

pub(super) const NON_FINITE_OUTPUT: &str = "NON_FINITE_OUTPUT";

/// The item fails where an output is infinite or NaN, the others go on; `place` names the position among these outputs.
pub(super) fn check_finite(outputs: &[f64], place: impl Fn(usize) -> String) -> Result<()> {
    let Some(position) = outputs.iter().position(|output| !output.is_finite()) else { return Ok(()) };
    let message = format!(
        "the model's output is {} at {}, so there is nothing to explain; check the input and the weights, or use F32",
        outputs[position],
        place(position)
    );
    Err(Error::failed_precondition(NON_FINITE_OUTPUT, message))
}
