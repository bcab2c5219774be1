//! The task: items in, attributions out one by one, a bounded chunk of rows a step.

use std::collections::VecDeque;
use std::rc::Rc;

use tch::{Device, Kind, TchError, Tensor};

use super::baselines::Baselines;
use super::explanation::Explanation;
use super::item::Item;
use super::method::{Context, Question, Space};
use super::randomness::{Randomness, Streams};
use super::rows::{Rows, chunk_rows};
use super::stage::Answers;
use super::validate::{validate, validate_target};
use crate::domain::Result;
use crate::domain::attribution::{Attribution, AttributionOptions};
use crate::ml::backbone::{Differentiable, Explained};
use crate::ml::step::{Outcome, Position, Reporter, Task};
use crate::ml::torch::torch_error;

/// An item is ready or has failed; the others go on.
#[derive(Debug)]
pub struct Finished {
    /// Position in the list of items.
    pub index: usize,
    pub attribution: Result<Attribution>,
}

/// Explains items with equal options, however many callers they come from. After each step, take what `finished` gives.
#[derive(Debug)]
pub struct AttributionTask {
    context: Context,
    options: Rc<AttributionOptions>,
    waiting: VecDeque<Item>,
    /// Items begun, in order.
    active: VecDeque<Explanation>,
    finished: VecDeque<Finished>,
    finished_count: usize,
    images: Rows,
    lifted: Rows,
    rows_done: u64,
    rows_per_item: usize,
}

impl AttributionTask {
    /// The precision is the model's; `options.precision` is for who makes it.
    ///
    /// # Errors
    /// What `validate` refuses; targets the model does not have.
    pub fn new(model: Rc<Differentiable>, options: AttributionOptions, items: Vec<Item>) -> Result<Self> {
        let randomness = Rc::new(Streams { seed: options.seed });
        Self::with_randomness(model, options, items, randomness)
    }

    /// As `new`, with random numbers from elsewhere.
    pub fn with_randomness(
        model: Rc<Differentiable>,
        options: AttributionOptions,
        items: Vec<Item>,
        randomness: Rc<dyn Randomness>,
    ) -> Result<Self> {
        let spec = model.spec();
        validate(&options, spec)?;
        items.iter().try_for_each(|item| validate_target(item.target, spec))?;
        let capacity = chunk_rows(&options, spec, model.device());
        let baselines = Baselines::new(options.baseline.clone(), spec.preprocessing.clone(), model.device());
        let mut task = Self {
            context: Context { model, baselines, randomness },
            options: Rc::new(options),
            waiting: items.into(),
            active: VecDeque::new(),
            finished: VecDeque::new(),
            finished_count: 0,
            images: Rows::new(capacity),
            lifted: Rows::new(capacity),
            rows_done: 0,
            rows_per_item: 0,
        };
        task.begin()?;
        task.rows_per_item = task.active.front().map_or(0, |first| first.remaining(&task.context));
        Ok(task)
    }

    /// The next item that is done, in the order of the items; nothing while the first open one is under way.
    pub fn finished(&mut self) -> Option<Finished> {
        self.finished.pop_front()
    }

    /// Begins as many items as one chunk may hold.
    fn begin(&mut self) -> Result<()> {
        while self.active.len() < self.images.capacity() {
            let Some(item) = self.waiting.pop_front() else { break };
            self.active.push_back(Explanation::new(item, &self.options, &self.context)?);
        }
        Ok(())
    }

    /// What the first open item wants, or what fills a chunk where that does not.
    fn question(&self) -> Option<Question> {
        let first = self.active.iter().find_map(Explanation::wanted)?.0;
        let other = match first {
            Question::Outputs => Question::Gradients,
            Question::Gradients => Question::Outputs,
        };
        let fills = |question| self.ready(question) >= self.images.capacity();
        Some(if !fills(first) && fills(other) { other } else { first })
    }

    /// Rows that could be written for this question.
    fn ready(&self, question: Question) -> usize {
        let wanted = self.active.iter().filter_map(Explanation::wanted);
        wanted.filter(|wanted| wanted.0 == question).map(|wanted| wanted.1).sum()
    }

    fn advance(&mut self, question: Question) -> Result<()> {
        let space = self.active.iter().find(|item| item.wanted().is_some_and(|wanted| wanted.0 == question));
        let space = space.map_or(Space::Images, Explanation::space);
        let rows = match space {
            Space::Images => &mut self.images,
            Space::Lifted => &mut self.lifted,
        };
        rows.clear();
        let mut asked = Vec::new();
        for (position, item) in self.active.iter_mut().enumerate() {
            if rows.free() > 0 && item.wanted().is_some_and(|wanted| wanted.0 == question) {
                asked.push((position, item.write(&self.context, rows)?));
            }
        }
        let Some(rows) = rows.filled()? else { return Ok(()) };
        self.rows_done += rows.size()[0].unsigned_abs();
        match question {
            Question::Outputs => self.outputs(&rows, &asked),
            Question::Gradients => self.gradients(rows, space, &asked),
        }
    }

    fn outputs(&mut self, rows: &Tensor, asked: &[(usize, usize)]) -> Result<()> {
        let logits = self.context.model.forward(rows)?;
        let (classes, logits) = values(&logits).map_err(torch_error("read the logits"))?;
        let mut rest = logits.as_slice();
        for &(position, count) in asked {
            let (own, others) = rest.split_at(count * classes);
            self.active[position].accept_logits(&self.context, own, classes)?;
            rest = others;
        }
        Ok(())
    }

    fn gradients(&mut self, rows: Tensor, space: Space, asked: &[(usize, usize)]) -> Result<()> {
        let target = |&(position, count): &(usize, usize)| vec![self.active[position].target(); count];
        let targets: Vec<u32> = asked.iter().flat_map(target).collect();
        let Context { model, .. } = &self.context;
        let Explained { outputs, gradients } = match space {
            Space::Images => model.explain(&rows, &targets, self.options.output)?,
            Space::Lifted => model.explain_lifted(rows, &targets, self.options.output)?,
        };
        let mut first = 0;
        for &(position, count) in asked {
            let own = gradients.f_narrow(0, first as i64, count as i64).map_err(torch_error("pick the gradients"))?;
            let answers = Answers { outputs: &outputs[first..first + count], gradients: Some(&own) };
            self.active[position].accept(&self.context, &answers)?;
            first += count;
        }
        Ok(())
    }

    /// Moves items that are done to `finished`, in order.
    fn retire(&mut self) {
        while self.active.front().is_some_and(|first| first.wanted().is_none()) {
            if let Some(first) = self.active.pop_front() {
                self.finished.push_back(Finished { index: self.finished_count, attribution: first.finish() });
                self.finished_count += 1;
            }
        }
    }
}

/// Classes and, row by row, values of logits `[N,K]`.
fn values(logits: &Tensor) -> std::result::Result<(usize, Vec<f32>), TchError> {
    let classes = logits.size().last().copied().unwrap_or_default().unsigned_abs() as usize;
    let logits = logits.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_contiguous()?.f_view(-1)?;
    Ok((classes.max(1), Vec::try_from(logits)?))
}

impl Task for AttributionTask {
    type Output = ();

    fn step(&mut self, _reporter: &mut dyn Reporter) -> Result<Outcome<()>> {
        self.begin()?;
        if let Some(question) = self.question() {
            self.advance(question)?;
        }
        self.retire();
        let is_done = self.active.is_empty() && self.waiting.is_empty();
        Ok(if is_done { Outcome::Done(()) } else { Outcome::Continue })
    }

    fn position(&self) -> Position {
        let left: usize = self.active.iter().map(|item| item.remaining(&self.context)).sum();
        let left = (left + self.waiting.len() * self.rows_per_item) as u64;
        Position { stage: "attribute", step: self.rows_done, total: self.rows_done + left }
    }
}
