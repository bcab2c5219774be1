//! All services on one listener.

use std::time::Duration;

use tokio::net::TcpListener;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::pb::health_server::{Health, HealthServer};

use super::border::Border;
use super::deadline::DeadlineLayer;
use super::drain::Drain;
use super::health;
use super::observe::ObserveLayer;
use super::transport::Acceptor;
use super::{
    attributions, concepts, datasets, evaluations, jobs, models, operations, reflection, system, text, unlearning,
};
use crate::domain::{Error, Result};
use crate::engine::Engine;
use crate::pb::google::longrunning::operations_server::OperationsServer;
use crate::pb::v1::attribution_service_server::AttributionServiceServer;
use crate::pb::v1::concept_service_server::ConceptServiceServer;
use crate::pb::v1::dataset_service_server::DatasetServiceServer;
use crate::pb::v1::evaluation_service_server::EvaluationServiceServer;
use crate::pb::v1::job_service_server::JobServiceServer;
use crate::pb::v1::model_service_server::ModelServiceServer;
use crate::pb::v1::system_service_server::SystemServiceServer;
use crate::pb::v1::text_service_server::TextServiceServer;
use crate::pb::v1::unlearning_service_server::UnlearningServiceServer;

const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Of all metadata of one request; a token and a few ids need a fraction of it.
const MAX_HEADER_BYTES: u32 = 16 << 10;
/// Of the port that serves health alone.
const HEALTH_CONNECTIONS: usize = 64;

/// Services whose health is told by name.
pub(super) const SERVICE_NAMES: [&str; 10] = [
    health::name::<ModelServiceServer<models::Models>>(),
    health::name::<DatasetServiceServer<datasets::Datasets>>(),
    health::name::<AttributionServiceServer<attributions::Attributions>>(),
    health::name::<TextServiceServer<text::Text>>(),
    health::name::<ConceptServiceServer<concepts::Concepts>>(),
    health::name::<UnlearningServiceServer<unlearning::Unlearning>>(),
    health::name::<EvaluationServiceServer<evaluations::Evaluations>>(),
    health::name::<JobServiceServer<jobs::Jobs>>(),
    health::name::<OperationsServer<operations::Operations>>(),
    health::name::<SystemServiceServer<system::System>>(),
];

/// Serves until `drain` is closed, then until every connection has ended. The caller sets a deadline: a peer that never says anything
/// keeps its connection.
///
/// # Errors
/// When the listener or the descriptors fail; never for a call.
pub async fn serve(engine: Engine, listener: TcpListener, mut border: Border, drain: Drain) -> Result<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    tokio::spawn(health::follow(reporter, engine.clone(), drain.clone()));
    let beside = border.health.take().map(|listener| serve_health(listener, health.clone(), drain.clone()));
    let routes = routes(&engine, border.message_bytes, &drain, health)?;
    let acceptor = Acceptor::new(listener, border.tls(), border.connections);
    let router = builder(border.streams_per_connection)
        .layer(ObserveLayer(drain.clone()))
        .layer(border.access())
        .layer(DeadlineLayer)
        .add_routes(routes);
    tokio::spawn(border.keep_current(drain.clone()));
    let served = router.serve_with_incoming_shutdown(acceptor.start(), async move { drain.closed().await });
    let served = async { served.await.map_err(|error| Error::internal("the gRPC server failed").with_source(error)) };
    let beside = async { if let Some(beside) = beside { beside.await } else { Ok(()) } };
    tokio::try_join!(served, beside).map(|_| ())
}

/// `grpc.health.v1` and nothing else, in plain text, to everyone.
async fn serve_health(listener: TcpListener, health: HealthServer<impl Health>, drain: Drain) -> Result<()> {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "serving health in plain text");
    }
    let acceptor = Acceptor::new(listener, None, HEALTH_CONNECTIONS);
    builder(HEALTH_CONNECTIONS as u32)
        .layer(ObserveLayer(drain.clone()))
        .layer(DeadlineLayer)
        .add_service(health)
        .serve_with_incoming_shutdown(acceptor.start(), async move { drain.closed().await })
        .await
        .map_err(|error| Error::internal("the health port failed").with_source(error))
}

fn builder(streams_per_connection: u32) -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_streams(streams_per_connection)
}

/// Sets the limits that every service shares.
macro_rules! limited {
    ($server:expr, $bytes:expr) => {
        $server
            .max_decoding_message_size($bytes)
            .max_encoding_message_size($bytes)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
    };
}

fn routes(engine: &Engine, bytes: usize, drain: &Drain, health: HealthServer<impl Health>) -> Result<Routes> {
    let jobs = jobs::Jobs { engine: engine.clone(), drain: drain.clone() };
    let datasets = datasets::Datasets { engine: engine.clone(), drain: drain.clone() };
    let operations = operations::Operations { engine: engine.clone(), drain: drain.clone() };
    Ok(Routes::new(health)
        .add_service(reflection::v1()?)
        .add_service(reflection::v1alpha()?)
        .add_service(limited!(ModelServiceServer::new(models::Models(engine.clone())), bytes))
        .add_service(limited!(DatasetServiceServer::new(datasets), bytes))
        .add_service(limited!(AttributionServiceServer::new(attributions::Attributions(engine.clone())), bytes))
        .add_service(limited!(TextServiceServer::new(text::Text(engine.clone())), bytes))
        .add_service(limited!(ConceptServiceServer::new(concepts::Concepts(engine.clone())), bytes))
        .add_service(limited!(UnlearningServiceServer::new(unlearning::Unlearning(engine.clone())), bytes))
        .add_service(limited!(EvaluationServiceServer::new(evaluations::Evaluations(engine.clone())), bytes))
        .add_service(limited!(JobServiceServer::new(jobs), bytes))
        .add_service(limited!(OperationsServer::new(operations), bytes))
        .add_service(limited!(SystemServiceServer::new(system::System(engine.clone())), bytes)))
}
