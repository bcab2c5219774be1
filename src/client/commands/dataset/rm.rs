//! `unlearnctl dataset rm`

use clap::Args;

use crate::client::error::Result;
use crate::client::names;
use crate::client::session::Session;
use crate::client::view::Note;
use crate::pb::v1::DeleteDatasetRequest;

#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    name: String,
}

pub(super) async fn run(session: &Session, args: &RmArgs) -> Result<()> {
    let name = names::dataset(&args.name);
    session.datasets().delete_dataset(DeleteDatasetRequest { name: name.clone() }).await?;
    session.output.show(&Note::new(format!("{name} deleted")).with("deleted", name))
}
