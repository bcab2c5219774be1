//! Gradients of what classes gain on the others by the activations below the head, one class a step.

use std::rc::Rc;

use super::embed::check_embed;
use crate::device::{ModelSource, Residents, Work};
use crate::domain::Result;
use crate::ml::activations::{Embeddings, head_gradients};
use crate::ml::backbone::Backbone;
use crate::ml::step::{Outcome, Position, Reporter, Task};

#[derive(Debug)]
pub struct HeadGradients {
    pub model: ModelSource,
    /// Classes, each with the activations of its samples.
    pub classes: Vec<(u32, Embeddings)>,
}

impl Work for HeadGradients {
    /// For each class `[rows, dim]`, row after row.
    type Output = Vec<Vec<f32>>;

    fn start(self, residents: &mut Residents) -> Result<Box<dyn Task<Output = Self::Output>>> {
        let backbone = residents.lease(&self.model)?;
        check_embed(&backbone)?;
        Ok(Box::new(Differentiation { backbone, classes: self.classes, gradients: Vec::new() }))
    }
}

struct Differentiation {
    backbone: Rc<Backbone>,
    classes: Vec<(u32, Embeddings)>,
    gradients: Vec<Vec<f32>>,
}

impl Task for Differentiation {
    type Output = Vec<Vec<f32>>;

    fn step(&mut self, _reporter: &mut dyn Reporter) -> Result<Outcome<Self::Output>> {
        if let Some((class, rows)) = self.classes.get(self.gradients.len()) {
            self.gradients.push(head_gradients(&self.backbone, rows, *class)?);
        }
        if self.gradients.len() < self.classes.len() {
            return Ok(Outcome::Continue);
        }
        Ok(Outcome::Done(std::mem::take(&mut self.gradients)))
    }

    fn position(&self) -> Position {
        let total = self.classes.len() as u64;
        Position { stage: "gradients", step: self.gradients.len() as u64, total }
    }
}
