//! The model's outputs at an input and its baselines: which class is explained, and what the attribution should sum to.

use super::method::Context;
use super::rows::Rows;
use super::stage::{Answers, Stage, check_finite};
use super::sweep::Origin;
use crate::domain::Result;
use crate::ml::torch::torch_error;

use std::rc::Rc;

/// Row 0 is the input, the others are the baselines.
#[derive(Debug)]
pub(super) struct Ends {
    origin: Rc<Origin>,
    baseline_count: usize,
    written: usize,
    outputs: Vec<f64>,
    /// The only baseline is the input itself.
    is_baseline: bool,
}

impl Ends {
    pub(super) fn new(origin: Rc<Origin>, context: &Context) -> Self {
        let baseline_count = context.baselines.count();
        Self { origin, baseline_count, written: 0, outputs: Vec::new(), is_baseline: false }
    }

    pub(super) fn output(&self) -> f64 {
        self.outputs.first().copied().unwrap_or(f64::NAN)
    }

    /// The mean over the baselines.
    pub(super) fn baseline_output(&self) -> f64 {
        self.outputs.iter().skip(1).sum::<f64>() / self.baseline_count as f64
    }

    pub(super) fn is_baseline(&self) -> bool {
        self.is_baseline
    }
}

impl Stage for Ends {
    fn ready(&self) -> usize {
        1 + self.baseline_count - self.written
    }

    fn write(&mut self, context: &Context, rows: &mut Rows) -> Result<usize> {
        let count = self.ready().min(rows.free());
        let Origin { input, stream, .. } = self.origin.as_ref();
        for _ in 0..count {
            let image = match self.written.checked_sub(1) {
                None => input.shallow_clone(),
                Some(number) => {
                    let baseline = context.baselines.image(input, context.randomness.as_ref(), *stream, number)?;
                    self.is_baseline = self.baseline_count == 1 && baseline == *input;
                    baseline
                }
            };
            rows.take(1, input)?.f_copy_(&image).map_err(torch_error("copy the input"))?;
            self.written += 1;
        }
        Ok(count)
    }

    fn accept(&mut self, _: &Context, answers: &Answers<'_>) -> Result<()> {
        let first = self.outputs.len();
        check_finite(answers.outputs, |position| match first + position {
            0 => "the input itself".to_owned(),
            number => format!("baseline {number} of {}", self.baseline_count),
        })?;
        self.outputs.extend(answers.outputs);
        Ok(())
    }
}
