//! Compiles the protos (no protoc needed).

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    compile_protos()
}

/// Server and client code and the descriptor set that reflection serves. Google's messages are our own generated ones,
/// except `google.rpc.Status`, which is tonic-types'.
fn compile_protos() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut files = Vec::new();
    for entry in std::fs::read_dir("proto/unlearnd/v1")? {
        files.push(entry?.path());
    }
    files.sort();
    files.push(PathBuf::from("proto/google/longrunning/operations.proto"));
    let descriptors = protox::compile(&files, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_server(std::env::var_os("CARGO_FEATURE_DAEMON").is_some())
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds(descriptors)?;
    Ok(())
}
