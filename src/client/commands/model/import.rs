//! `unlearnctl model import`

use clap::Args;

use crate::client::error::Result;
use crate::client::names;
use crate::client::session::{Session, request_id};
use crate::client::view::VersionView;
use crate::pb::v1::ImportModelVersionRequest;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The language model.
    model: String,
    /// Folder with adapter_config.json and adapter_model.safetensors, inside one of the daemon's roots.
    #[arg(long)]
    uri: String,
    /// Serve the version at once.
    #[arg(long)]
    promote: bool,
}

pub(super) async fn run(session: &Session, args: ImportArgs) -> Result<()> {
    let request = ImportModelVersionRequest {
        model: names::model(&args.model),
        uri: args.uri,
        promote: args.promote,
        request_id: request_id(),
    };
    let version = session.models().import_model_version(request).await?.into_inner();
    session.output.show(&VersionView::of(&version))
}
