//! `unlearnctl model export`

use clap::Args;

use crate::client::error::Result;
use crate::client::session::Session;
use crate::client::view::Note;
use crate::client::words::parser;
use crate::client::{names, table};
use crate::pb::v1::{ExportModelVersionRequest, ModelFormat};

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// MODEL (the version being served), or MODEL@VERSION.
    name: String,
    /// Format to write [default: the model's own].
    #[arg(long, value_parser = parser::<ModelFormat>())]
    format: Option<ModelFormat>,
    /// Where to write, inside one of the daemon's roots [default: exports in its data directory].
    #[arg(long)]
    uri: Option<String>,
    /// Replace an existing file.
    #[arg(long)]
    overwrite: bool,
}

pub(super) async fn run(session: &Session, args: ExportArgs) -> Result<()> {
    let request = ExportModelVersionRequest {
        name: names::model(&args.name),
        format: args.format.unwrap_or_default().into(),
        uri: args.uri.unwrap_or_default(),
        overwrite: args.overwrite,
    };
    let written = session.models().export_model_version(request).await?.into_inner();
    let text = format!("{} written ({})\nsha256 {}", written.uri, table::bytes(written.size_bytes), written.sha256);
    let note = Note::new(text).with("uri", written.uri).with("sha256", written.sha256);
    session.output.show(&note.with("size_bytes", written.size_bytes))
}
