//! A connection to one daemon and the services on it.

use std::time::Duration;

use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::pb::google::longrunning::operations_client::OperationsClient;
use crate::pb::v1::GetModelRequest;
use crate::pb::v1::attribution_service_client::AttributionServiceClient;
use crate::pb::v1::concept_service_client::ConceptServiceClient;
use crate::pb::v1::dataset_service_client::DatasetServiceClient;
use crate::pb::v1::evaluation_service_client::EvaluationServiceClient;
use crate::pb::v1::job_service_client::JobServiceClient;
use crate::pb::v1::model_service_client::ModelServiceClient;
use crate::pb::v1::system_service_client::SystemServiceClient;
use crate::pb::v1::text_service_client::TextServiceClient;
use crate::pb::v1::unlearning_service_client::UnlearningServiceClient;

use super::arguments::{Bearer, Connection};
use super::error::{Error, Result};
use super::output::Output;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A dead peer is noticed within this time plus the timeout below, also while nothing is sent.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Reports carry confusion matrices and curves, attributions a number for each input value.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// Entries asked for at a time when listing.
pub(crate) const PAGE_SIZE: i32 = 200;

/// Cheap to clone; all clients share one HTTP/2 connection, which is opened again when it breaks.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    calls: Calls,
    pub(crate) output: Output,
}

/// A connection on which every call says who makes it.
pub(crate) type Calls = InterceptedService<Channel, Bearer>;

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> std::result::Result<Request<()>, Status> {
        if let Some(header) = self.header() {
            request.metadata_mut().insert("authorization", header.clone());
        }
        Ok(request)
    }
}

macro_rules! clients {
    ($($name:ident: $client:ident),+ $(,)?) => {
        $(pub(crate) fn $name(&self) -> $client<Calls> {
            $client::new(self.calls.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
        })+
    };
}

impl Session {
    /// Connects at once, so that a daemon that is not there is told as such.
    pub(crate) async fn connect(connection: &Connection, output: Output) -> Result<Self> {
        let server = connection.address();
        let unreachable = |source| Error::Connect { server: server.clone(), source };
        let bearer = connection.bearer()?;
        if bearer.header().is_some() && connection.is_exposed() {
            output.note("the token goes over the network in plain text; use https where the daemon has TLS");
        }
        let mut endpoint = endpoint(&server)?;
        if let Some(tls) = connection.tls()? {
            endpoint = endpoint.tls_config(tls).map_err(unreachable)?;
        }
        let channel = endpoint.connect().await.map_err(unreachable)?;
        Ok(Self { calls: InterceptedService::new(channel, bearer), output })
    }

    /// Whether the model, or the model of the version, is a language model.
    pub(crate) async fn reads_texts(&self, name: &str) -> Result<bool> {
        let name = name.split("/versions/").next().unwrap_or(name).to_owned();
        let model = self.models().get_model(GetModelRequest { name }).await?.into_inner();
        Ok(model.text.is_some())
    }

    clients! {
        models: ModelServiceClient,
        datasets: DatasetServiceClient,
        unlearning: UnlearningServiceClient,
        evaluations: EvaluationServiceClient,
        concepts: ConceptServiceClient,
        attributions: AttributionServiceClient,
        jobs: JobServiceClient,
        operations: OperationsClient,
        system: SystemServiceClient,
        text: TextServiceClient,
    }
}

fn endpoint(server: &str) -> Result<Endpoint> {
    let endpoint = Endpoint::from_shared(server.to_owned())
        .map_err(|_| Error::Usage(format!("--server `{server}` is not an address; write http://HOST:PORT")))?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .user_agent(concat!("unlearnctl/", env!("CARGO_PKG_VERSION")))
        .expect("the user agent is plain ASCII"))
}

/// A fresh id, by which the daemon knows a repeated request.
pub(crate) fn request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
