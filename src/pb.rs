//! The generated wire types and services. Only `rpc` and `client` may use them.

#![allow(clippy::all, clippy::pedantic, missing_debug_implementations, unreachable_pub, rustdoc::all)]

pub use unlearnd::v1;

/// `package unlearnd.v1`
pub mod unlearnd {
    pub mod v1 {
        tonic::include_proto!("unlearnd.v1");
    }
}

/// Google's API protos that the surface uses.
pub mod google {
    pub mod api {
        tonic::include_proto!("google.api");
    }
    pub mod longrunning {
        tonic::include_proto!("google.longrunning");
    }
}

/// Encoded `FileDescriptorSet` of everything above, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
