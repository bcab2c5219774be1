//! `unlearnctl model unload`

use clap::Args;

use crate::client::error::Result;
use crate::client::session::Session;
use crate::client::view::Note;
use crate::client::{names, table};
use crate::pb::v1::UnloadModelRequest;

#[derive(Debug, Args)]
pub(crate) struct UnloadArgs {
    model: String,
}

pub(super) async fn run(session: &Session, args: &UnloadArgs) -> Result<()> {
    let name = names::model(&args.model);
    let freed =
        session.models().unload_model(UnloadModelRequest { name: name.clone() }).await?.into_inner().freed_bytes;
    let text = format!("{name} unloaded, {} given back", table::bytes(freed));
    session.output.show(&Note::new(text).with("model", name).with("freed_bytes", freed))
}
