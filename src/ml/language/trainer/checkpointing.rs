//! Forth and back through the blocks, keeping all activations or computing those inside a block again (Chen et al., arXiv 1604.06174).
//!
//! The second way runs forth without recording and keeps what enters each block. On the way back a block runs again, recording; its
//! part of the gradient is that of `Σ output · g`, with g the gradient that came from above. Numbers are the same: dropout repeats.

use tch::{Kind, TchError, Tensor};

use super::batch::Batch;
use crate::domain::finetune::Precision;
use crate::domain::{Error, Result};
use crate::ml::language::lora::Adapter;
use crate::ml::language::{LanguageModel, Pass};
use crate::ml::torch::{Autocast, NoGrad, torch_error};

/// A loss and what is told of it.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) value: Tensor,
    /// Summed negative log-likelihood of the batch, where the loss looked at it.
    pub(super) likelihood: Option<f64>,
}

/// What goes through which part of the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passage<'a> {
    pub(super) model: &'a LanguageModel,
    pub(super) adapter: Option<&'a Adapter>,
    pub(super) batch: &'a Batch,
    /// Blocks that run.
    pub(super) depth: usize,
    pub(super) precision: Precision,
}

type Objective<'a> = dyn Fn(&Tensor) -> Result<Loss> + 'a;

impl Passage<'_> {
    /// The loss of the hidden states after the last block that runs (before what follows the blocks), and its gradients.
    pub(super) fn gradients(
        self,
        parameters: &[Tensor],
        recompute: bool,
        objective: &Objective<'_>,
    ) -> Result<(Loss, Vec<Tensor>)> {
        match recompute {
            true => self.recomputed(parameters, objective),
            false => self.kept(parameters, objective),
        }
    }

    /// Hidden states alone.
    pub(super) fn hidden(self) -> Result<Tensor> {
        let (mut hidden, pass) = self.begin()?;
        for block in 0..self.depth {
            hidden = self.model.block(block, &hidden, &pass, self.adapter)?;
        }
        Ok(hidden)
    }

    fn begin(self) -> Result<(Tensor, Pass)> {
        self.model.begin(&self.model.embed(&self.batch.tokens)?, Some(&self.batch.mask))
    }

    fn kept(self, parameters: &[Tensor], objective: &Objective<'_>) -> Result<(Loss, Vec<Tensor>)> {
        let loss = {
            let _precision = Autocast::enter(self.precision)?;
            objective(&self.hidden()?)?
        };
        let gradients = backward(&loss.value, parameters)?;
        Ok((loss, gradients))
    }

    fn recomputed(self, parameters: &[Tensor], objective: &Objective<'_>) -> Result<(Loss, Vec<Tensor>)> {
        let (entering, pass) = self.entering()?;
        let mut sum = Vec::new();
        let mut loss = None;
        let mut above = None;
        for (block, input) in entering.iter().enumerate().rev() {
            let leaf = leaf(input)?;
            let value = {
                let _precision = Autocast::enter(self.precision)?;
                match &above {
                    None => {
                        let end = objective(&leaf)?;
                        let value = end.value.shallow_clone();
                        loss = Some(end);
                        value
                    }
                    Some(above) => product(&self.model.block(block, &leaf, &pass, self.adapter)?, above)?,
                }
            };
            let inputs: Vec<&Tensor> = parameters.iter().chain([&leaf]).collect();
            let mut gradients = backward(&value, &inputs)?;
            above = gradients.pop();
            accumulate(&mut sum, gradients)?;
        }
        if let (Some(above), None) = (&above, self.adapter) {
            accumulate(&mut sum, backward(&product(&self.begin()?.0, above)?, parameters)?)?;
        }
        let loss = loss.ok_or_else(|| Error::internal("a model without blocks"))?;
        Ok((loss, sum))
    }

    /// What enters each block, and what leaves the last.
    fn entering(self) -> Result<(Vec<Tensor>, Pass)> {
        let _guard = NoGrad::enter();
        let _precision = Autocast::enter(self.precision)?;
        let (hidden, pass) = self.begin()?;
        let mut entering = vec![hidden];
        for block in 0..self.depth {
            let next = self.model.block(block, &entering[block], &pass, self.adapter)?;
            entering.push(next);
        }
        Ok((entering, pass))
    }
}

fn leaf(tensor: &Tensor) -> Result<Tensor> {
    tensor.f_detach().and_then(|leaf| leaf.f_set_requires_grad(true)).map_err(torch_error("record gradients"))
}

fn product(output: &Tensor, above: &Tensor) -> Result<Tensor> {
    let product = || output.f_mul(above)?.f_sum(Kind::Float);
    product().map_err(torch_error("go back through a block"))
}

/// libtorch goes down with the process where a loss has no graph.
fn backward<T: std::borrow::Borrow<Tensor>>(loss: &Tensor, inputs: &[T]) -> Result<Vec<Tensor>> {
    if !loss.requires_grad() {
        let description =
            "the loss depends on nothing that is trained; train layers at or below the one that the objective steers";
        return Err(Error::failed_precondition("NOTHING_TRAINED", description));
    }
    Tensor::f_run_backward(&[loss], inputs, false, false).map_err(torch_error("take the gradient"))
}

/// Adds gradients to those of earlier batches; undefined ones are zero.
pub(super) fn accumulate(sum: &mut Vec<Tensor>, gradients: Vec<Tensor>) -> Result<()> {
    if sum.is_empty() {
        *sum = gradients;
        return Ok(());
    }
    let _guard = NoGrad::enter();
    let add = |(sum, gradient): (&mut Tensor, Tensor)| -> std::result::Result<(), TchError> {
        match (sum.defined(), gradient.defined()) {
            (_, false) => Ok(()),
            (false, true) => {
                *sum = gradient;
                Ok(())
            }
            (true, true) => sum.f_add_(&gradient).map(drop),
        }
    };
    sum.iter_mut().zip(gradients).try_for_each(add).map_err(torch_error("add gradients"))
}
