//! A connection to one daemon and the services on it.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::pb::google::longrunning::operations_client::OperationsClient;
use crate::pb::v1::attribution_service_client::AttributionServiceClient;
use crate::pb::v1::concept_service_client::ConceptServiceClient;
use crate::pb::v1::dataset_service_client::DatasetServiceClient;
use crate::pb::v1::evaluation_service_client::EvaluationServiceClient;
use crate::pb::v1::job_service_client::JobServiceClient;
use crate::pb::v1::model_service_client::ModelServiceClient;
use crate::pb::v1::system_service_client::SystemServiceClient;
use crate::pb::v1::unlearning_service_client::UnlearningServiceClient;

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
    channel: Channel,
    pub(crate) output: Output,
}

macro_rules! clients {
    ($($name:ident: $client:ident),+ $(,)?) => {
        $(pub(crate) fn $name(&self) -> $client<Channel> {
            $client::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
        })+
    };
}

impl Session {
    /// Connects at once, so that a daemon that is not there is told as such.
    pub(crate) async fn connect(server: &str, output: Output) -> Result<Self> {
        let endpoint = endpoint(server)?;
        let connected = endpoint.connect().await;
        let channel = connected.map_err(|source| Error::Connect { server: server.to_owned(), source })?;
        Ok(Self { channel, output })
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
    }
}

fn endpoint(server: &str) -> Result<Endpoint> {
    let address = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let endpoint = Endpoint::from_shared(address)
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
