//! Plans of training runs: for jobs, and for callers who want to see one first.

use super::admission::admit_training;
use super::core::Core;
use super::failure::blocking;
use super::handle::Engine;
use super::sources::{ModelUse, Samples, input_shape};
use crate::domain::Result;
use crate::domain::dataset::ImageSource;
use crate::domain::finetune::{FineTuneSpec, Method, TrainerSpec};
use crate::domain::model::ModelSpec;
use crate::domain::poison::{PoisonPlan, PoisonSpec};
use crate::ml::poison::{self, PoisonInputs, TrainingSet, needs_forget_logits};

/// Images in one interactive command, so that planning does not hold up others.
const IMAGES_A_COMMAND: usize = 128;

/// What a plan is made from, apart from the samples.
#[derive(Debug, Clone)]
pub(super) struct PlanInputs {
    poison: PoisonSpec,
    method: Method,
    batch_size: u32,
    class_count: u32,
    class_names: Vec<String>,
    /// The original model's logits on the forget set, in order of position.
    forget_logits: Option<Vec<f32>>,
}

impl PlanInputs {
    pub(super) fn new(spec: &FineTuneSpec, model: &ModelSpec, forget_logits: Option<Vec<f32>>) -> Self {
        Self {
            poison: spec.poison.clone(),
            method: spec.method,
            batch_size: spec.trainer.batch_size,
            class_count: model.class_count,
            class_names: model.class_names.clone(),
            forget_logits,
        }
    }
}

/// Pure; errors name fields below `poison`.
pub(super) fn plan(inputs: &PlanInputs, samples: &Samples) -> Result<(PoisonPlan, TrainingSet)> {
    // A model without names is asked about classes by those of the dataset, whose numbers it shares.
    let names = match (inputs.class_names.is_empty(), samples.dataset.class_names.len() == inputs.class_count as usize)
    {
        (true, true) => &samples.dataset.class_names,
        (true, false) | (false, _) => &inputs.class_names,
    };
    poison::plan(&PoisonInputs {
        spec: &inputs.poison,
        method: inputs.method,
        labels: &samples.labels,
        class_count: inputs.class_count,
        class_names: names,
        forget: &samples.selected,
        forget_logits: inputs.forget_logits.as_deref(),
        batch_size: inputs.batch_size,
    })
    .map_err(|error| error.under("poison"))
}

impl Engine {
    /// What a fine-tuning job would train on. Nothing is changed.
    pub async fn plan_poisoning(&self, poison: PoisonSpec, trainer: TrainerSpec, method: Method) -> Result<PoisonPlan> {
        self.core.check_ready()?;
        let spec = FineTuneSpec { method, poison, trainer, promote: false };
        let (spec, model, samples) = admit_training(&self.core, spec).await?;
        let logits = match needs_forget_logits(&spec.poison, method) {
            true => Some(self.core.interactive_logits(&model, &samples).await?),
            false => None,
        };
        let inputs = PlanInputs::new(&spec, model.spec(), logits);
        blocking(move || plan(&inputs, &samples)).await.map(|(plan, _)| plan)
    }
}

impl Core {
    /// Logits on the selected samples through the interactive lane, so that a plan need not wait for running jobs.
    async fn interactive_logits(&self, model: &ModelUse, samples: &Samples) -> Result<Vec<f32>> {
        let mut logits = Vec::with_capacity(samples.selected.len() * model.spec().class_count as usize);
        for positions in samples.selected.chunks(IMAGES_A_COMMAND) {
            let (split, positions, spec) = (samples.split.clone(), positions.to_vec(), model.spec().clone());
            let read = move || split.read(&positions, input_shape(&spec), spec.preprocessing.resize);
            let images = blocking(read).await?;
            logits.extend(model.device.infer(model.source.clone(), images).await?.values);
        }
        Ok(logits)
    }
}
