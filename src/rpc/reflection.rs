//! Server reflection, v1 and v1alpha (which grpcurl and the Python client still ask for), with the health service in it.

use tonic_reflection::server::v1::{ServerReflection, ServerReflectionServer};
use tonic_reflection::server::{Builder, Error as ReflectionError, v1alpha as alpha};

use crate::domain::{Error, Result};
use crate::pb::DESCRIPTORS;

pub(super) fn v1() -> Result<ServerReflectionServer<impl ServerReflection>> {
    builder().build_v1().map_err(unreadable)
}

pub(super) fn v1alpha() -> Result<alpha::ServerReflectionServer<impl alpha::ServerReflection>> {
    builder().build_v1alpha().map_err(unreadable)
}

fn builder() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

fn unreadable(error: ReflectionError) -> Error {
    Error::internal("the compiled descriptors cannot be read").with_source(error)
}
