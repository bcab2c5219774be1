//! Before a job is accepted: everything that can be known without running it is checked, and refused with the path of the field.
//!
//! What is accepted is written out: the served version becomes that very version, and the methods' fixed choices are filled in, so
//! that a later attempt does the same although the world has moved on.

mod attribution;
mod concepts;
mod evaluation;
mod fine_tune;
mod memory;
mod text_options;
mod texts;
mod trainer;
mod usage;

pub(super) use fine_tune::admit_training;
pub(super) use usage::models_of;

use super::core::Core;
use super::failure::precondition;
use super::sources::{ModelUse, Samples};
use crate::domain::finetune::Precision;
use crate::domain::ids::ModelRef;
use crate::domain::job::JobSpec;
use crate::domain::{Error, Result};

impl Core {
    /// The specification as it will run.
    pub(super) async fn admit(&self, spec: JobSpec) -> Result<JobSpec> {
        Ok(match spec {
            JobSpec::FineTune(spec) => JobSpec::FineTune(fine_tune::admit_fine_tune(self, spec).await?),
            JobSpec::Unlearn(spec) => JobSpec::Unlearn(fine_tune::admit_unlearn(self, spec).await?),
            JobSpec::Evaluate(spec) => JobSpec::Evaluate(evaluation::admit_evaluation(self, spec).await?),
            JobSpec::Membership(spec) => JobSpec::Membership(evaluation::admit_membership(self, spec).await?),
            JobSpec::LearnConcepts(spec) => JobSpec::LearnConcepts(concepts::admit_learning(self, spec).await?),
            JobSpec::Attribute(spec) => JobSpec::Attribute(attribution::admit_attribution(self, spec).await?),
            JobSpec::ExtractConcepts(spec) => JobSpec::ExtractConcepts(concepts::admit_extraction(self, spec).await?),
        })
    }

    /// Finds a further model that is compared with `model`, and pins its version.
    async fn admit_other(&self, other: Option<ModelRef>, model: &ModelUse, field: &str) -> Result<Option<ModelRef>> {
        let Some(other) = other else { return Ok(None) };
        let found = self.find_model(&other).await?;
        let (theirs, ours) = (found.spec().class_count, model.spec().class_count);
        if theirs != ours {
            let description = format!("`{other}` has {theirs} classes, the model {ours}; give one of the same classes");
            return Err(Error::invalid("REFERENCE_MISMATCH", field, description));
        }
        Ok(Some(pinned(&found)))
    }
}

/// A job that could not compute as asked is refused before it is accepted, never run in another precision.
fn check_precision(model: &ModelUse, precision: Precision, field: &str) -> Result<()> {
    model.device.check_precision(precision).map_err(|error| precondition(error.reason, field, error.message))
}

/// What was trained on and what was held out are counted by the same classes, or both have none.
fn check_alike(train: &Samples, test: &Samples) -> Result<()> {
    if train.has_classes() == test.has_classes() {
        return Ok(());
    }
    let [labelled, other] = if train.has_classes() { ["train", "test"] } else { ["test", "train"] };
    let description = format!("has no labels and `{labelled}` has; name data of one kind in both");
    Err(precondition("LABELS_DIFFER", other, description))
}

fn pinned(model: &ModelUse) -> ModelRef {
    ModelRef::Version(model.name().clone())
}
