//! A client for each service.

use tonic::transport::Channel;
use tonic_health::pb::health_client::HealthClient;
use unlearnd::pb::google::longrunning::operations_client::OperationsClient;
use unlearnd::pb::v1::attribution_service_client::AttributionServiceClient;
use unlearnd::pb::v1::concept_service_client::ConceptServiceClient;
use unlearnd::pb::v1::dataset_service_client::DatasetServiceClient;
use unlearnd::pb::v1::evaluation_service_client::EvaluationServiceClient;
use unlearnd::pb::v1::job_service_client::JobServiceClient;
use unlearnd::pb::v1::model_service_client::ModelServiceClient;
use unlearnd::pb::v1::system_service_client::SystemServiceClient;
use unlearnd::pb::v1::unlearning_service_client::UnlearningServiceClient;

use super::Daemon;

impl Daemon {
    pub(crate) fn models(&self) -> ModelServiceClient<Channel> {
        ModelServiceClient::new(self.channel())
    }

    pub(crate) fn datasets(&self) -> DatasetServiceClient<Channel> {
        DatasetServiceClient::new(self.channel())
    }

    pub(crate) fn attributions(&self) -> AttributionServiceClient<Channel> {
        AttributionServiceClient::new(self.channel())
    }

    pub(crate) fn concepts(&self) -> ConceptServiceClient<Channel> {
        ConceptServiceClient::new(self.channel())
    }

    pub(crate) fn unlearning(&self) -> UnlearningServiceClient<Channel> {
        UnlearningServiceClient::new(self.channel())
    }

    pub(crate) fn evaluations(&self) -> EvaluationServiceClient<Channel> {
        EvaluationServiceClient::new(self.channel())
    }

    pub(crate) fn jobs(&self) -> JobServiceClient<Channel> {
        JobServiceClient::new(self.channel())
    }

    pub(crate) fn operations(&self) -> OperationsClient<Channel> {
        OperationsClient::new(self.channel())
    }

    pub(crate) fn system(&self) -> SystemServiceClient<Channel> {
        SystemServiceClient::new(self.channel())
    }

    pub(crate) fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel())
    }
}
