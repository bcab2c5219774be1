//! Concept banks: import, look at, delete; and open one for a model. Learning one is a job (`runner/learn_concepts`).

use std::sync::Arc;
use std::time::SystemTime;

use super::core::{CODE_VERSION, Core};
use super::failure::{blocking, from_join, precondition};
use super::handle::Engine;
use super::models::request_key;
use super::requests::ImportConceptBank;
use super::sources::ModelUse;
use super::{Page, PageRequest};
use crate::domain::concept::{BankOrigin, CavMethod, Concept, ConceptBankRecord, ConceptVectors};
use crate::domain::evaluation::Provenance;
use crate::domain::ids::ConceptBankId;
use crate::domain::{Error, ErrorKind, Result};
use crate::ml::concept::quality;
use crate::storage::atomic;
use crate::storage::banks::{self, BankFile};
use crate::storage::store::RequestKey;

/// A bank in hand.
#[derive(Debug, Clone)]
pub(super) struct Bank {
    /// Absent: the built-in library, learnt on the way.
    pub(super) id: Option<ConceptBankId>,
    pub(super) names: Vec<String>,
    pub(super) vectors: Arc<ConceptVectors>,
    pub(super) normalize_input: bool,
}

impl Engine {
    /// Vectors made elsewhere, read once from `uri`.
    ///
    /// # Errors
    /// What the file has wrong, `BANK_MISMATCH` for vectors of another length than the model's embedding.
    pub async fn import_concept_bank(&self, request: ImportConceptBank) -> Result<ConceptBankRecord> {
        let core = &self.core;
        core.check_ready()?;
        let _turn = core.locks.lock(&request.id.to_string()).await;
        let key = request_key("ImportConceptBank", request.request_id.as_ref(), &request)?;
        if let Some(made) = core.bank_made_before(key.as_ref()).await? {
            return Ok(made);
        }
        core.check_bank_free(&request.id).await?;
        let model = core.find_model(&request.model).await?;
        let (roots, uri, names) = (core.roots.clone(), request.uri.clone(), request.names.clone());
        let imported = blocking(move || banks::import(&roots.resolve(&uri, "uri")?, names)).await?;
        let anatomy = model.device.inspect_embedding(model.source.clone()).await?;
        if anatomy.dim as usize != imported.vectors.dim {
            let description = format!(
                "the vectors have {} values, an embedding of `{}` has {}; they are of another model",
                imported.vectors.dim,
                model.name(),
                anatomy.dim
            );
            return Err(Error::invalid("BANK_MISMATCH", "uri", description));
        }
        let record = ConceptBankRecord {
            prefix_hash: anatomy.prefix_hash,
            licence: request.licence,
            normalize_input: request.normalize_input,
            provenance: Provenance {
                model_hash: model.version.sha256.clone(),
                code_version: CODE_VERSION.to_owned(),
                ..Provenance::default()
            },
            concepts: imported.names.into_iter().map(bare).collect(),
            ..new_record(request.id, &model, BankOrigin::Imported, &imported.vectors)
        };
        // A task of its own: a client that leaves meanwhile leaves no folder without a record.
        let core = core.clone();
        let kept =
            tokio::spawn(async move { core.keep_bank(record, imported.vectors, Vec::new(), key.as_ref()).await });
        kept.await.unwrap_or_else(|error| Err(from_join(error)))
    }

    /// The bank, with at most `examples` PNG images of each concept.
    pub async fn get_concept_bank(
        &self,
        id: &ConceptBankId,
        examples: usize,
    ) -> Result<(ConceptBankRecord, Vec<Vec<Vec<u8>>>)> {
        let record = self.core.store.concept_bank(id).await?;
        let (folder, concepts) = (self.core.layout.concept_bank(id), record.concepts.len());
        let images = blocking(move || Ok(banks::read_examples(&folder, concepts, examples))).await?;
        Ok((record, images))
    }

    /// In the order of their ids.
    pub async fn list_concept_banks(&self, page: &PageRequest) -> Result<Page<ConceptBankRecord>> {
        self.core.store.concept_banks_page(page).await
    }

    /// Refused while an unfinished job uses it.
    pub async fn delete_concept_bank(&self, id: &ConceptBankId) -> Result<()> {
        let core = &self.core;
        let _turn = core.locks.lock(&id.to_string()).await;
        let _gate = core.gate.lock().await;
        core.store.concept_bank(id).await?;
        let jobs = core.store.unfinished_jobs().await?;
        if let Some(job) = jobs.iter().find(|job| job.spec.concept_bank() == Some(id)) {
            let message = format!("concept bank `{id}` is used by `{}`; wait for it or cancel it first", job.id);
            let error = Error::failed_precondition("RESOURCE_IN_USE", message);
            return Err(error.with_resource("job", job.id.to_string()));
        }
        core.store.delete_concept_bank(id).await?;
        let folder = core.layout.concept_bank(id);
        blocking(move || atomic::remove(&folder)).await
    }
}

fn bare(name: String) -> Concept {
    Concept { name, quality: None, best_samples: Vec::new() }
}

/// What every bank of `model` has in common; the caller fills in the rest.
pub(super) fn new_record(
    id: ConceptBankId,
    model: &ModelUse,
    origin: BankOrigin,
    vectors: &ConceptVectors,
) -> ConceptBankRecord {
    ConceptBankRecord {
        id,
        model: model.name().clone(),
        prefix_hash: String::new(),
        dim: u32::try_from(vectors.dim).unwrap_or(u32::MAX),
        origin,
        method: CavMethod::default(),
        concepts: Vec::new(),
        duplicates: quality::duplicates(vectors),
        normalize_input: false,
        spec: None,
        licence: String::new(),
        explained: None,
        provenance: Provenance::default(),
        sha256: String::new(),
        size_bytes: 0,
        create_time: SystemTime::now(),
    }
}

impl Core {
    /// The bank for a version.
    ///
    /// # Errors
    /// `BANK_MISMATCH` where the version's weights below the head are not those it was learnt on.
    pub(super) async fn open_bank(&self, id: &ConceptBankId, model: &ModelUse) -> Result<Bank> {
        let record = self.store.concept_bank(id).await?;
        let anatomy = model.device.inspect_embedding(model.source.clone()).await?;
        if record.prefix_hash != anatomy.prefix_hash {
            let description = format!(
                "`{id}` was learnt on `{}`, whose weights below the head are not those of `{}`; learn a bank on this version",
                record.model,
                model.name()
            );
            return Err(precondition("BANK_MISMATCH", "concept_bank", description));
        }
        let folder = self.layout.concept_bank(id);
        blocking(move || {
            Ok(Bank {
                id: Some(record.id.clone()),
                names: record.concepts.iter().map(|concept| concept.name.clone()).collect(),
                vectors: Arc::new(banks::read_vectors(&folder, &record)?),
                normalize_input: record.normalize_input,
            })
        })
        .await
    }

    /// Writes the files, then makes the bank known.
    pub(super) async fn keep_bank(
        &self,
        mut record: ConceptBankRecord,
        vectors: ConceptVectors,
        examples: Vec<Vec<Vec<u8>>>,
        key: Option<&RequestKey>,
    ) -> Result<ConceptBankRecord> {
        let folder = self.layout.concept_bank(&record.id);
        let record = blocking(move || {
            // Nothing in the store knows this folder: it was left by an attempt that did not end.
            atomic::remove(&folder)?;
            let file = BankFile { record: &record, vectors: &vectors, examples: &examples };
            let digest = banks::write(&folder, &file)?;
            (record.sha256, record.size_bytes) = (digest.sha256, digest.size_bytes);
            Ok(record)
        })
        .await?;
        self.store.insert_concept_bank(&record, key).await?;
        tracing::info!(bank = %record.id, concepts = record.concepts.len(), "concept bank kept");
        Ok(record)
    }

    pub(super) async fn check_bank_free(&self, id: &ConceptBankId) -> Result<()> {
        match self.store.concept_bank(id).await {
            Ok(_) => Err(Error::already_exists("concept bank", id.to_string())),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn bank_made_before(&self, key: Option<&RequestKey>) -> Result<Option<ConceptBankRecord>> {
        let Some(key) = key else { return Ok(None) };
        match self.store.find_request(key).await? {
            Some(name) => self.store.concept_bank(&name.parse()?).await.map(Some),
            None => Ok(None),
        }
    }
}
