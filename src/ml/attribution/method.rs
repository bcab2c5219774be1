//! The seam between a method and what runs it. A plain attribution of one input against one baseline is a number of rows (inputs
//! of the model) and a sum over what the model says of them; which rows share a forward pass does not matter to it.

use std::fmt::Debug;
use std::ops::Range;
use std::rc::Rc;

use tch::Tensor;

use super::baselines::Baselines;
use super::gradient_shap::GradientShap;
use super::input_x_gradient::input_x_gradient;
use super::integrated_gradients::IntegratedGradients;
use super::occlusion::Occlusion;
use super::randomness::Randomness;
use super::saliency::saliency;
use crate::domain::Result;
use crate::domain::attribution::AttributionMethod;
use crate::ml::backbone::Differentiable;

/// What the model is asked about rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Outputs,
    /// Outputs and gradients.
    Gradients,
}

/// Where rows and gradients live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Images,
    /// Behind the model's first, linear, layer (`Differentiable::lift`).
    Lifted,
}

/// What a method works with.
#[derive(Debug)]
pub(super) struct Context {
    pub model: Rc<Differentiable>,
    pub baselines: Baselines,
    pub randomness: Rc<dyn Randomness>,
}

/// One input against one baseline.
#[derive(Debug)]
pub(super) struct Subject {
    /// `[1,C,H,W]`, as the baseline.
    pub input: Tensor,
    pub baseline: Tensor,
    /// Both in the method's space.
    pub ends: [Tensor; 2],
    /// Stream of the item.
    pub item: u64,
}

/// What the model said of some rows of a subject.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub rows: Range<usize>,
    pub outputs: &'a [f64],
    /// In the method's space; only if asked for.
    pub gradients: Option<&'a Tensor>,
    /// What `Method::rows` returned for these rows.
    pub factors: Option<&'a Tensor>,
    /// The output of the subject's row 0.
    pub first_output: f64,
}

/// A plain attribution method. Everything depends on the subject and the rows' numbers alone.
pub(super) trait Method: Debug {
    fn question(&self) -> Question;

    fn space(&self) -> Space {
        Space::Images
    }

    /// Rows of one subject.
    fn row_count(&self) -> usize;

    /// Whether the baselines of an input are taken one after the other (and attributions averaged over them).
    fn takes_each_baseline(&self) -> bool;

    /// Writes rows `range` into `rows` (as many, in the method's space); may return a factor for each of them.
    fn write_rows(
        &self,
        subject: &Subject,
        context: &Context,
        range: Range<usize>,
        rows: &Tensor,
    ) -> Result<Option<Tensor>>;

    /// Adds the share of some rows; the sum begins with the first one's share.
    fn add(&self, subject: &Subject, answer: &Answer<'_>, sum: Option<Tensor>) -> Result<Tensor>;

    /// From the complete sum to the attribution, `[1,C,H,W]` like the input.
    fn finish(&self, subject: &Subject, context: &Context, sum: Tensor) -> Result<Tensor>;
}

/// The method as asked for; `steps` replaces its own number of steps.
pub(super) fn method(choice: AttributionMethod, steps: Option<u32>, context: &Context) -> Rc<dyn Method> {
    let image = &context.model.spec().preprocessing;
    match choice {
        AttributionMethod::IntegratedGradients { rule, steps: own, adaptive: _ } => {
            Rc::new(IntegratedGradients::new(rule, steps.unwrap_or(own) as usize))
        }
        AttributionMethod::Saliency { signed } => Rc::new(saliency(signed)),
        AttributionMethod::InputXGradient => Rc::new(input_x_gradient()),
        AttributionMethod::GradientShap { samples, stdev } => {
            Rc::new(GradientShap { samples: samples as usize, stdev })
        }
        AttributionMethod::Occlusion { window, stride } => {
            Rc::new(Occlusion::new([image.height, image.width], window, stride))
        }
    }
}
