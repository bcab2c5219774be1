//! `unlearnctl model show`

use clap::Args;

use crate::client::error::Result;
use crate::client::names;
use crate::client::session::Session;
use crate::client::view::{ModelView, VersionView};
use crate::pb::v1::{GetModelRequest, GetModelVersionRequest};

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// MODEL, or MODEL@VERSION.
    name: String,
}

pub(super) async fn run(session: &Session, args: &ShowArgs) -> Result<()> {
    let name = names::model(&args.name);
    if names::is_version(&name) {
        let version = session.models().get_model_version(GetModelVersionRequest { name }).await?.into_inner();
        session.output.show(&VersionView::of(&version))
    } else {
        let model = session.models().get_model(GetModelRequest { name }).await?.into_inner();
        session.output.show(&ModelView::of(&model))
    }
}
