//! A TorchScript model: the user's operations, differentiated by libtorch's autograd. It is frozen (weights are constants without
//! gradients, BatchNorm is folded) and runs without the graph executor's optimiser, whose autodiff takes several times as long.

use tch::{Kind, Tensor};

use super::{Explained, Gradients, SeedOf};
use crate::domain::finetune::{Precision, Scope};
use crate::domain::{Error, Result};
use crate::ml::backbone::BnMode;
use crate::ml::backbone::body::Body;
use crate::ml::torch::{Autocast, channels_last, torch_error};

#[derive(Debug)]
pub(in crate::ml::backbone) struct ScriptGradients {
    body: Box<dyn Body>,
    precision: Precision,
}

impl ScriptGradients {
    /// Takes a copy whose parameters record no gradients.
    pub(in crate::ml::backbone) fn new(body: Box<dyn Body>, precision: Precision) -> Self {
        Self { body, precision }
    }

    fn run(&self, input: &Tensor) -> Result<Tensor> {
        let _guard = Autocast::enter(self.precision)?;
        let logits = self.body.above(Scope::All, input, BnMode::Eval)?;
        logits.f_to_kind(Kind::Float).map_err(torch_error("convert the result"))
    }

    /// From a detached input to the outputs and their gradients by it.
    fn differentiate(&self, input: &Tensor, seed: SeedOf<'_>) -> Result<Explained> {
        let failed = torch_error("differentiate the model");
        let leaf = input.f_detach().and_then(|input| input.f_set_requires_grad(true)).map_err(&failed)?;
        let logits = self.run(&leaf)?;
        let seed = seed(&logits)?;
        if !logits.requires_grad() {
            let message =
                "the TorchScript model cuts the gradient off (no_grad, detach or a whole-number operation on the way)";
            return Err(Error::failed_precondition("MODEL_NOT_DIFFERENTIABLE", message));
        }
        let backward = || {
            let sum = logits.f_mul(&seed.derivative)?.f_sum(None)?;
            Tensor::f_run_backward(&[sum], &[&leaf], false, false)?.remove(0).f_detach()
        };
        Ok(Explained { outputs: seed.outputs, gradients: backward().map_err(&failed)? })
    }
}

impl Gradients for ScriptGradients {
    fn lift(&self, images: &Tensor) -> Result<Tensor> {
        channels_last(images).map_err(torch_error("arrange the images"))
    }

    fn lower(&self, gradients: &Tensor, _image_size: [i64; 2]) -> Result<Tensor> {
        Ok(gradients.shallow_clone())
    }

    fn logits(&self, lifted: Tensor) -> Result<Tensor> {
        self.run(&lifted)
    }

    fn explain(&self, lifted: Tensor, seed: SeedOf<'_>) -> Result<Explained> {
        self.differentiate(&lifted, seed)
    }

    fn feature_map(&self, _images: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }
}
