//! The whole attribution of one input: a plain one for every noisy copy and every baseline, joined. Its rows come in one sequence,
//! so a step may hold the end of one plain attribution and the beginning of the next.

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;

use tch::Tensor;

use super::method::{Answer, Context, Method, Question, Space, Subject};
use super::noise::{Joined, gaussian};
use super::randomness::Draw;
use super::rows::Rows;
use super::stage::{Answers, Stage, check_finite};
use crate::domain::Result;
use crate::domain::attribution::{NoiseKind, NoiseTunnel};
use crate::ml::random::Purpose;
use crate::ml::torch::torch_error;

/// The input that was asked about: baselines and random streams are its, also for noisy and perturbed copies.
#[derive(Debug)]
pub(super) struct Origin {
    /// `[1,C,H,W]`.
    pub input: Tensor,
    pub stream: u64,
    /// The noise tunnel and its deviation on this input.
    pub noise: Option<(NoiseTunnel, f64)>,
}

#[derive(Debug)]
pub(super) struct Sweep {
    origin: Rc<Origin>,
    method: Rc<dyn Method>,
    /// The input attributed: the origin's or a perturbed copy.
    input: Tensor,
    baseline_count: usize,
    next_pass: usize,
    open: Option<Open>,
    unanswered: VecDeque<Segment>,
    sum: Option<Tensor>,
    first_output: f64,
    over_baselines: Joined,
    over_noise: Joined,
}

/// A plain attribution whose rows are being written.
#[derive(Debug)]
struct Open {
    subject: Rc<Subject>,
    next_row: usize,
}

/// Rows of one subject in a step.
#[derive(Debug)]
struct Segment {
    subject: Rc<Subject>,
    rows: Range<usize>,
    factors: Option<Tensor>,
}

impl Sweep {
    pub(super) fn new(origin: Rc<Origin>, method: Rc<dyn Method>, input: Tensor, context: &Context) -> Self {
        let baseline_count = if method.takes_each_baseline() { context.baselines.count() } else { 1 };
        let kind = origin.noise.map_or(NoiseKind::SmoothGrad, |(tunnel, _)| tunnel.kind);
        Self {
            origin,
            method,
            input,
            baseline_count,
            next_pass: 0,
            open: None,
            unanswered: VecDeque::new(),
            sum: None,
            first_output: f64::NAN,
            over_baselines: Joined::new(NoiseKind::SmoothGrad),
            over_noise: Joined::new(kind),
        }
    }

    fn pass_count(&self) -> usize {
        self.baseline_count * self.origin.noise.map_or(1, |(tunnel, _)| tunnel.samples as usize)
    }

    /// The next plain attribution: noisy copy `pass / baselines` against baseline `pass % baselines`.
    fn open_next(&mut self, context: &Context) -> Result<()> {
        let (sample, number) = (self.next_pass / self.baseline_count, self.next_pass % self.baseline_count);
        let Origin { input: original, stream, noise } = self.origin.as_ref();
        let randomness = context.randomness.as_ref();
        let draw = Draw { purpose: Purpose::AttributionNoise, item: *stream, number: sample as u64 };
        let stdev = noise.map_or(0.0, |(_, stdev)| stdev);
        let input = gaussian(&self.input, stdev, randomness, draw)?;
        let baseline = context.baselines.image(original, randomness, *stream, number)?;
        let ends = match self.method.space() {
            Space::Images => [baseline.shallow_clone(), input.shallow_clone()],
            Space::Lifted => [context.model.lift(&baseline)?, context.model.lift(&input)?],
        };
        self.open = Some(Open { subject: Rc::new(Subject { input, baseline, ends, item: *stream }), next_row: 0 });
        self.next_pass += 1;
        Ok(())
    }

    fn is_last(&self, rows: &Range<usize>) -> bool {
        rows.end == self.method.row_count()
    }

    /// A plain attribution is complete.
    fn close(&mut self, subject: &Subject, context: &Context) -> Result<()> {
        let Some(sum) = self.sum.take() else { return Ok(()) };
        self.over_baselines.push(&self.method.finish(subject, context, sum)?)?;
        if self.over_baselines.count() == self.baseline_count {
            let mean = self.over_baselines.finish()?;
            mean.map_or(Ok(()), |mean| self.over_noise.push(&mean))?;
        }
        Ok(())
    }

    /// The attribution `[1,C,H,W]`, once no rows remain.
    pub(super) fn finish(&mut self) -> Result<Tensor> {
        self.over_noise.finish()?.ok_or_else(super::unasked)
    }
}

impl Stage for Sweep {
    fn question(&self) -> Question {
        self.method.question()
    }

    fn space(&self) -> Space {
        self.method.space()
    }

    fn ready(&self) -> usize {
        let rows = self.method.row_count();
        (self.pass_count() - self.next_pass) * rows + self.open.as_ref().map_or(0, |open| rows - open.next_row)
    }

    fn write(&mut self, context: &Context, rows: &mut Rows) -> Result<usize> {
        let mut written = 0;
        while rows.free() > 0 && self.ready() > 0 {
            if self.open.is_none() {
                self.open_next(context)?;
            }
            let Some(Open { subject, next_row }) = &mut self.open else { break };
            let subject = subject.clone();
            let range = *next_row..self.method.row_count().min(*next_row + rows.free());
            *next_row = range.end;
            let memory = rows.take(range.len(), &subject.ends[0])?;
            let factors = self.method.write_rows(&subject, context, range.clone(), &memory)?;
            written += range.len();
            if self.is_last(&range) {
                self.open = None;
            }
            self.unanswered.push_back(Segment { subject, rows: range, factors });
        }
        Ok(written)
    }

    fn accept(&mut self, context: &Context, answers: &Answers<'_>) -> Result<()> {
        let mut first = 0;
        while let Some(Segment { subject, rows, factors }) = self.unanswered.pop_front() {
            let count = rows.len();
            let outputs = &answers.outputs[first..first + count];
            let steps = self.method.row_count();
            check_finite(outputs, |position| format!("step {} of {steps}", rows.start + position + 1))?;
            if rows.start == 0 {
                self.first_output = outputs[0];
            }
            let narrow = |gradients: &Tensor| gradients.f_narrow(0, first as i64, count as i64);
            let gradients = answers.gradients.map(narrow).transpose().map_err(torch_error("pick the gradients"))?;
            let (gradients, factors) = (gradients.as_ref(), factors.as_ref());
            let answer = Answer { rows: rows.clone(), outputs, gradients, factors, first_output: self.first_output };
            self.sum = Some(self.method.add(&subject, &answer, self.sum.take())?);
            if self.is_last(&rows) {
                self.close(&subject, context)?;
            }
            first += count;
        }
        Ok(())
    }
}
