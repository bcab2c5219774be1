//! Who gets in, and what for: nothing but what is granted.

mod audit;
mod command_line;
mod limits;
mod tls;
mod tokens;

use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Bytes, StdError, http};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The paths of all methods that the daemon serves.
fn every_path() -> Vec<String> {
    let own = FileDescriptorSet::decode(unlearnd::pb::DESCRIPTORS).unwrap();
    let health = FileDescriptorSet::decode(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap();
    let services = own.file.iter().chain(&health.file).flat_map(|file| {
        file.service.iter().map(move |service| (format!("/{}.{}", file.package(), service.name()), &service.method))
    });
    let methods = services
        .flat_map(|(service, methods)| methods.iter().map(move |method| format!("{service}/{}", method.name())));
    let reflection =
        ["v1", "v1alpha"].map(|version| format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"));
    methods.chain(reflection).collect()
}

/// A path of each scope, on which an allowed call fails for a reason of its own, or succeeds.
const REPRESENTATIVES: [(&str, &str); 5] = [
    ("health", "/grpc.health.v1.Health/Check"),
    ("metadata", "/unlearnd.v1.ModelService/ListModels"),
    ("infer", "/unlearnd.v1.UnlearningService/PlanPoisoning"),
    ("job", "/google.longrunning.Operations/CancelOperation"),
    ("admin", "/unlearnd.v1.ModelService/DeleteModel"),
];

/// Calls a method by its path with an empty message.
async fn called<S>(service: S, path: &str) -> Result<(), Status>
where
    S: GrpcService<Body>,
    S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<StdError> + Send,
{
    let mut client = tonic::client::Grpc::new(service);
    client.ready().await.map_err(|error| Status::unknown(format!("not ready: {}", error.into())))?;
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let path = http::uri::PathAndQuery::try_from(path.to_owned()).unwrap();
    client.unary(tonic::Request::new(()), path, codec).await.map(|_| ())
}

/// Whether a call was let through, whatever became of it then.
fn let_through(called: &Result<(), Status>) -> bool {
    !matches!(called.as_ref().map_err(Status::code), Err(Code::Unauthenticated | Code::PermissionDenied))
}

/// Code and reason of a refusal.
fn refusal(called: Result<(), Status>) -> (Code, String) {
    let status = called.expect_err("the call must be refused");
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    (status.code(), reason)
}

fn refused_with(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}
