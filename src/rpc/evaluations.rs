//! `unlearnd.v1.EvaluationService`.

use tonic::{Request, Response, Status};

use super::context::{answer, client_of};
use super::views;
use crate::domain::job::JobSpec;
use crate::engine::Engine;
use crate::pb::google::longrunning::Operation;
use crate::pb::v1 as pb;
use crate::pb::v1::evaluation_service_server::EvaluationService;

/// Evaluations and membership inference.
#[derive(Debug, Clone)]
pub(super) struct Evaluations(pub(super) Engine);

#[tonic::async_trait]
impl EvaluationService for Evaluations {
    async fn evaluate_model(&self, request: Request<pb::EvaluateModelRequest>) -> Result<Response<Operation>, Status> {
        let client = client_of(&request);
        answer(request, |message| views::submitted(&self.0, client, message, JobSpec::Evaluate)).await
    }

    async fn evaluate_membership_inference(
        &self,
        request: Request<pb::EvaluateMembershipInferenceRequest>,
    ) -> Result<Response<Operation>, Status> {
        let client = client_of(&request);
        answer(request, |message| views::submitted(&self.0, client, message, JobSpec::Membership)).await
    }
}
