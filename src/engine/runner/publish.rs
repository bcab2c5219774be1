//! From trained weights to an immutable version: the file is in place and durable before the store knows of it.

use std::path::PathBuf;
use std::time::SystemTime;

use super::super::core::CODE_VERSION;
use super::super::failure::blocking;
use super::super::sources::{ModelUse, Samples};
use super::attempt::Attempt;
use crate::domain::Result;
use crate::domain::finetune::{FineTuneSpec, Method};
use crate::domain::model::{AdapterRecord, Lineage, VersionRecord};
use crate::domain::text_training::Objective;
use crate::storage::atomic;

/// Weights that training left in the job's folder.
pub(super) struct Trained {
    pub(super) weights: PathBuf,
    pub(super) parameter_count: u64,
    pub(super) adapter: Option<AdapterRecord>,
}

/// Publishes once: an attempt after a crash finds what the earlier one published.
pub(super) async fn publish(
    attempt: &mut Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    samples: &Samples,
    trained: Trained,
) -> Result<VersionRecord> {
    attempt.stage("publish").await?;
    let version = match attempt.core.store.version_of_job(&attempt.id).await? {
        Some(published) => published,
        None => move_and_record(attempt, spec, model, samples, trained).await?,
    };
    if spec.promote {
        attempt.core.promote(&version.name, "").await?;
    }
    Ok(version)
}

async fn move_and_record(
    attempt: &Attempt,
    spec: &FineTuneSpec,
    model: &ModelUse,
    samples: &Samples,
    trained: Trained,
) -> Result<VersionRecord> {
    let core = &attempt.core;
    let name = core.store.reserve_version(&model.record.id).await?;
    let target = core.layout.weights(&name, model.spec().format);
    let weights = trained.weights;
    let digest = blocking(move || {
        let digest = atomic::digest(&weights)?;
        atomic::publish(&weights, &target)?;
        Ok(digest)
    })
    .await?;
    let version = VersionRecord {
        name,
        sha256: digest.sha256,
        size_bytes: digest.size_bytes,
        parameter_count: trained.parameter_count,
        lineage: lineage(attempt, spec, model, samples),
        create_time: SystemTime::now(),
        adapter: trained.adapter,
        text_options: spec.text.as_ref().map(|tuning| tuning.options.clone()),
    };
    core.store.insert_version(&version, None).await?;
    tracing::info!(version = %version.name, job = %attempt.id, "version published");
    Ok(version)
}

fn lineage(attempt: &Attempt, spec: &FineTuneSpec, model: &ModelUse, samples: &Samples) -> Lineage {
    Lineage {
        parent: (spec.method != Method::Retrain).then(|| model.name().clone()),
        job: Some(attempt.id.clone()),
        origin: origin(spec).to_owned(),
        dataset_hashes: vec![(samples.dataset.id.to_string(), samples.dataset.content_hash.clone())],
        config_hash: attempt.config_hash.clone(),
        seed: spec.seed(),
        code_version: CODE_VERSION.to_owned(),
    }
}

/// Objectives of language models are methods of their own.
fn origin(spec: &FineTuneSpec) -> &'static str {
    match spec.text.as_ref().map_or(Objective::Supervised, |text| text.trainer.objective) {
        Objective::Supervised => of_method(spec.method),
        Objective::GradDiff { .. } => "GRAD_DIFF",
        Objective::Npo { .. } => "NPO",
        Objective::SimNpo { .. } => "SIMNPO",
        Objective::Rmu { .. } => "RMU",
    }
}

fn of_method(method: Method) -> &'static str {
    match method {
        Method::Poison => "POISON",
        Method::Train => "TRAIN",
        Method::Retrain => "RETRAIN",
        Method::Finetune => "FINETUNE",
        Method::RandomLabel => "RANDOM_LABEL",
        Method::NegGradPlus => "NEG_GRAD_PLUS",
    }
}
