//! `Differentiable`, the frozen copy made for gradients by the input: weights have none, BatchNorm is folded.
//!
//! ```text
//! images ─lift─► first layer's sums ─rectify─► network (trace kept) ─► features ─► logits ─► output (logit, log p, p)
//!    ▲                    ▲                                                                      │ seed
//!    └──────lower─────────┴────────────────── backward, by hand, weights left out ◄──────────────┘
//! ```
//! `lift` and `lower` are linear (but for the bias): a path of images is lifted at its ends alone, and gradients along it are
//! summed before they are lowered. For TorchScript both are the identity and libtorch's autograd is the backward pass.

mod convolution;
mod native;
mod network;
mod script;
mod seed;
#[cfg(test)]
mod tests;
mod workspace;

use std::fmt::Debug;

use tch::{Device, Kind, Tensor};

use crate::domain::Result;
use crate::domain::attribution::TargetOutput;
use crate::domain::model::ModelSpec;
use crate::ml::torch::{NoGrad, torch_error};

pub(super) use native::native;
pub(super) use script::ScriptGradients;
use seed::Seed;

/// Computes the derivative by the logits that is sent back: the rows' outputs are decided while the pass is under way.
type SeedOf<'a> = &'a dyn Fn(&Tensor) -> Result<Seed>;

/// The seam between `Differentiable` and its two kinds.
pub(super) trait Gradients: Debug + Send {
    fn lift(&self, images: &Tensor) -> Result<Tensor>;
    /// Takes and gives f32; the images have this height and width.
    fn lower(&self, gradients: &Tensor, image_size: [i64; 2]) -> Result<Tensor>;
    /// May overwrite `lifted`.
    fn logits(&self, lifted: Tensor) -> Result<Tensor>;
    /// Outputs of the rows and the gradients by `lifted`, whose memory may be reused for them.
    fn explain(&self, lifted: Tensor, seed: SeedOf<'_>) -> Result<Explained>;
    fn feature_map(&self, images: &Tensor) -> Result<Option<Tensor>>;
}

/// What a model says of rows of images: one explained number each, and its gradient.
#[derive(Debug)]
pub struct Explained {
    /// The explained output of every row.
    pub outputs: Vec<f64>,
    /// The derivative of each row's output by that row.
    pub gradients: Tensor,
}

/// A frozen copy that can be differentiated by its input. Results are f32. Not for concurrent use: it keeps its working memory
/// from call to call.
#[derive(Debug)]
pub struct Differentiable {
    spec: ModelSpec,
    device: Device,
    body: Box<dyn Gradients>,
}

impl Differentiable {
    pub(super) fn new(spec: ModelSpec, device: Device, body: Box<dyn Gradients>) -> Self {
        Self { spec, device, body }
    }

    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// Images `[N,C,H,W]` to logits `[N,K]`, without gradients.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let _guard = NoGrad::enter();
        self.body.logits(self.body.lift(images)?)
    }

    /// The explained output of each row for its own class, and the gradients by the images, `[N,C,H,W]`.
    pub fn explain(&self, images: &Tensor, targets: &[u32], output: TargetOutput) -> Result<Explained> {
        let Explained { outputs, gradients } = self.explain_lifted(self.lift(images)?, targets, output)?;
        Ok(Explained { outputs, gradients: self.lower(&gradients)? })
    }

    /// The explained output of each row for its own class.
    pub fn outputs(&self, images: &Tensor, targets: &[u32], output: TargetOutput) -> Result<Vec<f64>> {
        Ok(seed::seed(&self.forward(images)?, targets, output)?.outputs)
    }

    /// The first layer's sums (before the rectifier) of images; of the images themselves for TorchScript.
    pub(crate) fn lift(&self, images: &Tensor) -> Result<Tensor> {
        let _guard = NoGrad::enter();
        self.body.lift(images)
    }

    /// As `explain`, from and by what `lift` gives. The memory of `lifted` is reused.
    pub(crate) fn explain_lifted(&self, lifted: Tensor, targets: &[u32], output: TargetOutput) -> Result<Explained> {
        let mut explained = self.body.explain(lifted, &|logits| seed::seed(logits, targets, output))?;
        explained.gradients =
            explained.gradients.f_to_kind(Kind::Float).map_err(torch_error("convert the gradients"))?;
        Ok(explained)
    }

    /// Gradients by lifted images to gradients by the images; linear, so sums may be lowered instead of each.
    pub(crate) fn lower(&self, gradients: &Tensor) -> Result<Tensor> {
        let _guard = NoGrad::enter();
        let image = &self.spec.preprocessing;
        self.body.lower(gradients, [image.height, image.width].map(i64::from))
    }

    /// Activations before the global mean, `[N,C,h,w]`; nothing for a TorchScript model.
    pub fn feature_map(&self, images: &Tensor) -> Result<Option<Tensor>> {
        let _guard = NoGrad::enter();
        self.body.feature_map(images)
    }
}
