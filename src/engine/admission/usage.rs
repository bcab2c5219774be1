//! What a job uses, so that nothing it needs is deleted under it.

use crate::domain::ids::ModelRef;
use crate::domain::job::JobSpec;

/// Every model or version that the job reads.
pub(in crate::engine) fn models_of(spec: &JobSpec) -> Vec<&ModelRef> {
    match spec {
        JobSpec::FineTune(spec) => vec![&spec.poison.model],
        JobSpec::Unlearn(spec) => [&spec.fine_tune.poison.model].into_iter().chain(&spec.reference).collect(),
        JobSpec::Evaluate(spec) => [&spec.model].into_iter().chain(&spec.reference).collect(),
        JobSpec::Membership(spec) => [&spec.model].into_iter().chain(&spec.original).chain(&spec.reference).collect(),
        JobSpec::LearnConcepts(spec) => vec![&spec.model],
        JobSpec::ExtractConcepts(spec) => vec![&spec.model],
        JobSpec::Attribute(spec) => vec![&spec.model],
    }
}
