//! Attributions of a dataset as one file: `attribute`, `publish`.

use std::path::PathBuf;

use super::super::classes::{class_named, class_names};
use super::super::failure::blocking;
use super::super::sources::{ModelUse, Role, Samples};
use super::attempt::Attempt;
use crate::device::work::AttributeSamples;
use crate::domain::Result;
use crate::domain::attribution::{AttributeDatasetSpec, AttributionReport};
use crate::domain::job::JobResult;
use crate::storage::atomic::{self, FileDigest};
use crate::storage::outgoing::Outgoing;

pub(super) async fn run(attempt: &mut Attempt, spec: &AttributeDatasetSpec) -> Result<JobResult> {
    let core = attempt.core.clone();
    let model = core.find_model(&spec.model).await?;
    let samples = core.find_samples(&spec.source, Role::Asked, &spec.selector, model.spec()).await?;
    attempt.stage("attribute").await?;
    let written = attempt.folder.join("attributions.safetensors");
    let provenance = attempt.provenance(&model, &[&samples], spec.options.seed);
    let work = AttributeSamples {
        model: model.source.clone(),
        images: samples.data.images()?.clone(),
        samples: explained(spec, &model, &samples)?,
        options: spec.options.clone(),
        destination: written.clone(),
        metadata: vec![
            ("model_version", model.name().to_string()),
            ("options", serde_json::to_string(&spec.options).unwrap_or_default()),
            ("data_hash", samples.dataset.content_hash.clone()),
        ],
    };
    let sums = model.device.run(work, attempt.context()).await?;
    attempt.stage("publish").await?;
    let (uri, digest) = publish(attempt, spec, written).await?;
    let is_complete = spec.options.is_complete();
    let mean = |sum: f64| sum / (sums.count as f64).max(1.0);
    Ok(JobResult::Attribution(AttributionReport {
        version: model.version.name,
        uri,
        sha256: digest.sha256,
        size_bytes: digest.size_bytes,
        sample_count: sums.count,
        mean_relative_delta: is_complete.then(|| mean(sums.relative_delta_sum)),
        max_relative_delta: is_complete.then_some(sums.max_relative_delta),
        converged_count: is_complete.then_some(sums.converged_count),
        mean_infidelity: (sums.infidelity_count > 0).then(|| sums.infidelity_sum / sums.infidelity_count as f64),
        mean_sensitivity: spec.options.sensitivity.then(|| mean(sums.sensitivity_sum)),
        seconds: attempt.seconds(),
        provenance,
    }))
}

/// Puts the file where the request wants it; answers its URI.
async fn publish(attempt: &Attempt, spec: &AttributeDatasetSpec, written: PathBuf) -> Result<(String, FileDigest)> {
    let (roots, uri) = (attempt.core.roots.clone(), spec.uri.clone());
    let layout = attempt.core.layout.clone();
    let own = layout.exports().join(format!("attributions-{}.safetensors", attempt.id.id()));
    blocking(move || {
        let (uri, target) = match uri.is_empty() {
            true => (format!("file://{}", own.display()), own),
            false => (uri.clone(), roots.resolve_for_writing(&uri, "uri")?),
        };
        let outgoing = Outgoing::new(&layout, target)?;
        let digest = atomic::fill(&written, outgoing.as_ref())?;
        outgoing.publish()?;
        Ok((uri, digest))
    })
    .await
}

/// The samples in order, each with the class that is explained.
fn explained(spec: &AttributeDatasetSpec, model: &ModelUse, samples: &Samples) -> Result<Vec<(usize, u32)>> {
    let names = class_names(model.spec(), &samples.dataset.class_names);
    let stated = match spec.target_class.is_empty() {
        true => None,
        false => Some(class_named(&spec.target_class, names, model.spec().class_count)?),
    };
    let limit = if spec.max_samples == 0 { usize::MAX } else { spec.max_samples as usize };
    let own = |position: &usize| (*position, stated.unwrap_or(samples.labels[*position]));
    Ok(samples.selected.iter().take(limit).map(own).collect())
}
