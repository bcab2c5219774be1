//! `unlearnctl model delete`

use clap::Args;

use crate::client::error::Result;
use crate::client::names;
use crate::client::session::Session;
use crate::client::view::Note;
use crate::pb::v1::{DeleteModelRequest, DeleteModelVersionRequest};

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// MODEL, or MODEL@VERSION.
    name: String,
    /// Fail unless this is the etag shown by `model show --json`.
    #[arg(long)]
    etag: Option<String>,
}

pub(super) async fn run(session: &Session, args: DeleteArgs) -> Result<()> {
    let name = names::model(&args.name);
    let etag = args.etag.unwrap_or_default();
    let deleted = Note::new(format!("{name} deleted")).with("deleted", name.as_str());
    if names::is_version(&name) {
        session.models().delete_model_version(DeleteModelVersionRequest { name, etag }).await?;
    } else {
        session.models().delete_model(DeleteModelRequest { name, etag }).await?;
    }
    session.output.show(&deleted)
}
