//! What a message is about, for the audit log. A message that is not listed has no name there.

use std::any::Any;

use crate::pb::google::longrunning as lro;
use crate::pb::v1 as pb;

/// `by_type!(message, Type => |message| name, ...)`: the name by the first type that fits.
macro_rules! by_type {
    ($message:ident, $($type:ty => |$as:ident| $name:expr),+ $(,)?) => {
        $(if let Some($as) = $message.downcast_ref::<$type>() { return Some($name); })+
    };
}

/// The resource that a request names; a model's version where a job names one.
pub(in crate::rpc) fn named(message: &dyn Any) -> Option<String> {
    let model =
        |poison: &Option<pb::PoisonSpec>| poison.as_ref().map(|poison| poison.model.clone()).unwrap_or_default();
    by_type!(message,
        pb::LoadModelRequest => |it| format!("models/{}", it.model_id),
        pb::CreateModelRequest => |it| format!("models/{}", it.model_id),
        pb::UnloadModelRequest => |it| it.name.clone(),
        pb::DeleteModelRequest => |it| it.name.clone(),
        pb::DeleteModelVersionRequest => |it| it.name.clone(),
        pb::PromoteModelVersionRequest => |it| it.name.clone(),
        pb::ExportModelVersionRequest => |it| it.name.clone(),
        pb::ImportModelVersionRequest => |it| it.model.clone(),
        pb::RegisterDatasetRequest => |it| format!("datasets/{}", it.dataset_id),
        pb::DeleteDatasetRequest => |it| it.name.clone(),
        pb::LearnConceptBankRequest => |it| it.model.clone(),
        pb::ImportConceptBankRequest => |it| format!("conceptBanks/{}", it.concept_bank_id),
        pb::DeleteConceptBankRequest => |it| it.name.clone(),
        pb::ExtractConceptsRequest => |it| it.model.clone(),
        pb::AttributeDatasetRequest => |it| it.model.clone(),
        pb::EvaluateModelRequest => |it| it.model.clone(),
        pb::EvaluateMembershipInferenceRequest => |it| it.model.clone(),
        pb::FineTunePoisonedRequest => |it| model(&it.poison),
        pb::UnlearnRequest => |it| model(&it.poison),
        lro::CancelOperationRequest => |it| it.name.clone(),
        lro::DeleteOperationRequest => |it| it.name.clone(),
    );
    None
}

/// The resource that an answer names: what came into being.
pub(in crate::rpc) fn made(reply: &dyn Any) -> Option<String> {
    by_type!(reply,
        lro::Operation => |it| it.name.clone(),
        pb::Model => |it| it.name.clone(),
        pb::ModelVersion => |it| it.name.clone(),
        pb::Dataset => |it| it.name.clone(),
        pb::ConceptBank => |it| it.name.clone(),
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_have_names() {
        let request = pb::CreateModelRequest { model_id: "m".into(), ..Default::default() };
        assert_eq!(named(&request).as_deref(), Some("models/m"));
        let poison = Some(pb::PoisonSpec { model: "models/m/versions/1".into(), ..Default::default() });
        let request = pb::UnlearnRequest { poison, ..Default::default() };
        assert_eq!(named(&request).as_deref(), Some("models/m/versions/1"));
        assert_eq!(named(&pb::GetModelRequest::default()), None);
        let operation = lro::Operation { name: "jobs/j".into(), ..Default::default() };
        assert_eq!(made(&operation).as_deref(), Some("jobs/j"));
    }
}
