//! GradientSHAP: Lundberg and Lee 2017, "A Unified Approach to Interpreting Model Predictions", by expected gradients (Erion et al.
//! 2021): the mean over samples of `(x + e - x') * dF(x' + a (x + e - x')) / dx` with noise `e`, a baseline `x'` drawn from the
//! item's own and a position `a` drawn uniformly. As Captum 0.8's `GradientShap`, streamed: memory does not depend on `samples`.

use std::ops::Range;

use tch::Tensor;

use super::method::{Answer, Context, Method, Question, Subject};
use super::noise::gaussian;
use super::randomness::Draw;
use crate::domain::Result;
use crate::ml::random::Purpose;
use crate::ml::torch::torch_error;

#[derive(Debug)]
pub(super) struct GradientShap {
    pub samples: usize,
    pub stdev: f64,
}

impl GradientShap {
    /// The way from baseline to noisy input, and the point on it.
    fn sample(&self, subject: &Subject, context: &Context, number: usize) -> Result<[Tensor; 2]> {
        let path = Draw { purpose: Purpose::AttributionPath, item: subject.item, number: number as u64 };
        let drawn = context.randomness.uniform(path, 2);
        let count = context.baselines.count();
        let which = ((drawn[1] * count as f64) as usize).min(count - 1);
        let baseline = match count {
            1 => subject.baseline.shallow_clone(),
            _ => context.baselines.image(&subject.input, context.randomness.as_ref(), subject.item, which)?,
        };
        let noise = Draw { purpose: Purpose::AttributionNoise, ..path };
        let failed = torch_error("draw a sample");
        let input = gaussian(&subject.input, self.stdev, context.randomness.as_ref(), noise)?;
        let way = input.f_sub(&baseline).map_err(&failed)?;
        let point = way.f_mul_scalar(drawn[0]).and_then(|part| part.f_add(&baseline)).map_err(&failed)?;
        Ok([way, point])
    }
}

impl Method for GradientShap {
    fn question(&self) -> Question {
        Question::Gradients
    }

    fn row_count(&self) -> usize {
        self.samples
    }

    fn takes_each_baseline(&self) -> bool {
        false
    }

    fn write_rows(
        &self,
        subject: &Subject,
        context: &Context,
        range: Range<usize>,
        rows: &Tensor,
    ) -> Result<Option<Tensor>> {
        let mut ways = Vec::with_capacity(range.len());
        for (row, number) in (0..).zip(range) {
            let [way, point] = self.sample(subject, context, number)?;
            rows.f_narrow(0, row, 1).and_then(|mut row| row.f_copy_(&point)).map_err(torch_error("copy the sample"))?;
            ways.push(way);
        }
        Ok(Some(Tensor::f_cat(&ways, 0).map_err(torch_error("keep the samples"))?))
    }

    fn add(&self, _: &Subject, answer: &Answer<'_>, sum: Option<Tensor>) -> Result<Tensor> {
        let (Some(gradients), Some(ways)) = (answer.gradients, answer.factors) else { return Err(super::unasked()) };
        let add = || {
            let share = gradients.f_mul(ways)?.f_sum_dim_intlist(0_i64, true, None)?;
            let share = share.f_div_scalar(self.samples as f64)?;
            sum.map_or(Ok(share.shallow_clone()), |mut sum| sum.f_add_(&share))
        };
        add().map_err(torch_error("sum the gradients"))
    }

    fn finish(&self, _: &Subject, _: &Context, sum: Tensor) -> Result<Tensor> {
        Ok(sum)
    }
}
