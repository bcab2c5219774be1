//! Learning a concept bank: `activations`, `publish`.

use super::super::banks::new_record;
use super::super::concepts::{Learnt, best_pictures, discover, learn, pictures_at};
use super::super::core::CODE_VERSION;
use super::super::failure::blocking;
use super::super::sources::ModelUse;
use super::attempt::Attempt;
use crate::domain::concept::{BankOrigin, Concept, ConceptBankRecord, ConceptSource, LearnConceptsSpec};
use crate::domain::evaluation::Provenance;
use crate::domain::job::JobResult;
use crate::domain::{Error, ErrorKind, Result};

pub(super) async fn run(attempt: &mut Attempt, spec: &LearnConceptsSpec) -> Result<JobResult> {
    if let Some(kept) = kept_before(attempt, spec).await? {
        return Ok(JobResult::ConceptBank(kept));
    }
    let model = attempt.core.find_model(&spec.model).await?;
    attempt.stage("activations").await?;
    let (learnt, pictures) = numbers(attempt, spec, &model).await?;
    warn(attempt, &learnt).await?;
    attempt.stage("publish").await?;
    let anatomy = model.device.inspect_embedding(model.source.clone()).await?;
    let Learnt { concepts, vectors, explained } = learnt;
    let record = ConceptBankRecord {
        prefix_hash: anatomy.prefix_hash,
        method: spec.cav.method,
        concepts,
        explained,
        spec: Some(spec.clone()),
        provenance: provenance(attempt, spec, &model).await?,
        ..new_record(spec.bank.clone(), &model, origin(&spec.source), &vectors)
    };
    attempt.core.keep_bank(record, vectors, pictures, None).await.map(JobResult::ConceptBank)
}

/// An attempt after a crash finds what the earlier one kept.
async fn kept_before(attempt: &Attempt, spec: &LearnConceptsSpec) -> Result<Option<ConceptBankRecord>> {
    match attempt.core.store.concept_bank(&spec.bank).await {
        Ok(bank) if bank.provenance.config_hash == attempt.config_hash => Ok(Some(bank)),
        Ok(bank) => Err(Error::already_exists("concept bank", bank.id.to_string())),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn numbers(attempt: &Attempt, spec: &LearnConceptsSpec, model: &ModelUse) -> Result<(Learnt, Vec<Vec<Vec<u8>>>)> {
    let (core, lane, model_spec) = (&attempt.core, attempt.lane(), model.spec().clone());
    if let ConceptSource::Discovery { examples, concept_count, max_samples } = &spec.source {
        let samples = core.example_set(examples, &model_spec, "discovery.examples").await?;
        let (parts, most) = (*concept_count as usize, *max_samples as usize);
        let learnt = discover(&lane, model, &samples, parts, most, spec.precision, spec.seed).await?;
        let best: Vec<Vec<usize>> = learnt.concepts.iter().map(best_positions).collect();
        let pictures = blocking(move || best.iter().map(|best| pictures_at(&samples, best, &model_spec)).collect());
        return Ok((learnt, pictures.await?));
    }
    let per_side = 2 * spec.cav.examples_per_side as usize;
    let examples = core.concept_examples(&spec.source, &model_spec, per_side, spec.seed).await?;
    let learnt = learn(&lane, model, &examples, &spec.cav, spec.precision, spec.seed).await?;
    blocking(move || best_pictures(&learnt, &examples, &model_spec).map(|pictures| (learnt, pictures))).await
}

fn best_positions(concept: &Concept) -> Vec<usize> {
    concept.best_samples.iter().map(|(position, _)| *position as usize).collect()
}

async fn warn(attempt: &Attempt, learnt: &Learnt) -> Result<()> {
    let unreliable = learnt.concepts.iter().filter(|concept| concept.quality.as_ref().is_some_and(|q| q.unreliable));
    let names: Vec<&str> = unreliable.map(|concept| concept.name.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let (count, of, names) = (names.len(), learnt.concepts.len(), names.join(", "));
    attempt.warn(format!("the model hardly tells {count} of {of} concepts from their negatives: {names}")).await
}

fn origin(source: &ConceptSource) -> BankOrigin {
    match source {
        ConceptSource::Examples(_) => BankOrigin::Examples,
        ConceptSource::Dataset(_) => BankOrigin::Dataset,
        ConceptSource::Procedural(_) => BankOrigin::Procedural,
        ConceptSource::Discovery { .. } => BankOrigin::Discovered,
    }
}

async fn provenance(attempt: &Attempt, spec: &LearnConceptsSpec, model: &ModelUse) -> Result<Provenance> {
    let mut data_hashes = Vec::new();
    for dataset in spec.source.datasets() {
        data_hashes.push(attempt.core.store.dataset(dataset).await?.content_hash);
    }
    data_hashes.dedup();
    Ok(Provenance {
        model_hash: model.version.sha256.clone(),
        data_hashes,
        config_hash: attempt.config_hash.clone(),
        seed: spec.seed,
        code_version: CODE_VERSION.to_owned(),
    })
}
