//! What a caller's bytes go through before the engine hears of them, without a connection: for `crate::fuzzing`.
//!
//! An error becomes a status, as it does in a call, so that its texts and details are made too.

use prost::Message;

use super::access::{CertificateNames, Policy};
use super::context::RequestId;
use super::convert::{
    AttributeCall, Export, JobRequest, PlanQuestion, example_count, job_filter, operations_filter, page_request,
    parsed, required, wait_timeout, watch_start,
};
use super::status::status;
use crate::config::Access;
use crate::domain::attribution::AttributeDatasetSpec;
use crate::domain::concept::{ExtractConceptsSpec, LearnConceptsSpec};
use crate::domain::evaluation::EvaluationSpec;
use crate::domain::finetune::{FineTuneSpec, UnlearnSpec};
use crate::domain::ids::{ConceptBankId, DatasetId, JobId, ModelId, ModelRef, VersionName};
use crate::domain::membership::MembershipSpec;
use crate::domain::{Error, Result};
use crate::engine::{
    AttributeTexts, BeginUpload, CreateModel, GenerateText, ImportConceptBank, ImportVersion, LoadModel,
    RegisterDataset,
};
use crate::pb::google::longrunning as lro;
use crate::pb::v1 as pb;

/// What decides whether a message is taken.
type Decoder = fn(&[u8]) -> Result<()>;

const DECODERS: &[Decoder] = &[
    converted::<pb::LoadModelRequest, LoadModel>,
    converted::<pb::CreateModelRequest, CreateModel>,
    converted::<pb::ExportModelVersionRequest, Export>,
    converted::<pb::ImportModelVersionRequest, ImportVersion>,
    converted::<pb::RegisterDatasetRequest, RegisterDataset>,
    converted::<pb::upload_dataset_request::Header, BeginUpload>,
    converted::<pb::ImportConceptBankRequest, ImportConceptBank>,
    converted::<pb::PlanPoisoningRequest, PlanQuestion>,
    converted::<pb::AttributeRequest, AttributeCall>,
    job::<pb::FineTunePoisonedRequest, FineTuneSpec>,
    job::<pb::UnlearnRequest, UnlearnSpec>,
    job::<pb::EvaluateModelRequest, EvaluationSpec>,
    job::<pb::EvaluateMembershipInferenceRequest, MembershipSpec>,
    job::<pb::LearnConceptBankRequest, LearnConceptsSpec>,
    job::<pb::ExtractConceptsRequest, ExtractConceptsSpec>,
    job::<pb::AttributeDatasetRequest, AttributeDatasetSpec>,
    list_jobs,
    list_operations,
    wait_operation,
    get_concept_bank,
    watch_job,
    converted::<pb::GenerateRequest, GenerateText>,
    converted::<pb::AttributeTextRequest, AttributeTexts>,
];

/// The first byte chooses the message, the others are the message.
pub(crate) fn requests(bytes: &[u8]) {
    let Some((choice, message)) = bytes.split_first() else { return };
    told(DECODERS[usize::from(*choice) % DECODERS.len()](message));
}

/// A text as every kind of name.
pub(crate) fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    told(parsed::<ModelId>(&text, "name").map(drop));
    told(parsed::<ModelRef>(&text, "name").map(drop));
    told(parsed::<VersionName>(&text, "name").map(drop));
    told(parsed::<DatasetId>(&text, "name").map(drop));
    told(parsed::<ConceptBankId>(&text, "name").map(drop));
    told(parsed::<JobId>(&text, "name").map(drop));
    told(operations_filter("jobs", &text).map(drop));
    told(operations_filter(&text, "").map(drop));
    let _ = RequestId::new(&text);
}

pub(crate) fn certificate(der: &[u8]) {
    let _ = CertificateNames::read(der);
}

pub(crate) fn tokens(text: &str) {
    let _ = Policy::new(&Access::default(), Some(text));
}

fn told(result: Result<()>) {
    if let Err(error) = result {
        let _ = status(&error, &RequestId::random());
    }
}

/// What no message of its type could be never reaches a conversion; tonic refuses it.
fn decoded<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    M::decode(bytes).ok()
}

fn converted<M: Message + Default, D: TryFrom<M, Error = Error>>(bytes: &[u8]) -> Result<()> {
    decoded::<M>(bytes).map_or(Ok(()), |message| message.try_into().map(drop::<D>))
}

fn job<M: Message + Default + JobRequest, D: TryFrom<M, Error = Error>>(bytes: &[u8]) -> Result<()> {
    let Some(mut message) = decoded::<M>(bytes) else { return Ok(()) };
    let _terms = message.take_terms()?;
    message.try_into().map(drop::<D>)
}

fn list_jobs(bytes: &[u8]) -> Result<()> {
    let Some(message) = decoded::<pb::ListJobsRequest>(bytes) else { return Ok(()) };
    page_request(message.page_size, message.page_token)?;
    job_filter(message.states, message.kinds, &message.model).map(drop)
}

fn list_operations(bytes: &[u8]) -> Result<()> {
    let Some(message) = decoded::<lro::ListOperationsRequest>(bytes) else { return Ok(()) };
    page_request(message.page_size, message.page_token)?;
    operations_filter(&message.name, &message.filter).map(drop)
}

fn wait_operation(bytes: &[u8]) -> Result<()> {
    let Some(message) = decoded::<lro::WaitOperationRequest>(bytes) else { return Ok(()) };
    parsed::<JobId>(&message.name, "name")?;
    wait_timeout(message.timeout).map(drop)
}

fn get_concept_bank(bytes: &[u8]) -> Result<()> {
    let Some(message) = decoded::<pb::GetConceptBankRequest>(bytes) else { return Ok(()) };
    parsed::<ConceptBankId>(&message.name, "name")?;
    example_count(message.examples).map(drop)
}

fn watch_job(bytes: &[u8]) -> Result<()> {
    let Some(message) = decoded::<pb::WatchJobRequest>(bytes) else { return Ok(()) };
    required(Some(message.name).filter(|name| !name.is_empty()), "name")?;
    watch_start(message.after_sequence).map(drop)
}
