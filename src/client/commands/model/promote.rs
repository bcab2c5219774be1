//! `unlearnctl model promote`

use clap::Args;

use crate::client::error::{Error, Result};
use crate::client::names;
use crate::client::session::Session;
use crate::client::view::ModelView;
use crate::pb::v1::PromoteModelVersionRequest;

#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    /// MODEL@VERSION.
    name: String,
    /// Fail unless this is the model's etag shown by `model show --json`.
    #[arg(long)]
    etag: Option<String>,
}

pub(super) async fn run(session: &Session, args: PromoteArgs) -> Result<()> {
    let name = names::model(&args.name);
    if !names::is_version(&name) {
        return Err(Error::Usage(format!("`{0}` names no version; write {0}@VERSION", args.name)));
    }
    let request = PromoteModelVersionRequest { name, etag: args.etag.unwrap_or_default() };
    let model = session.models().promote_model_version(request).await?.into_inner();
    session.output.show(&ModelView::of(&model))
}
