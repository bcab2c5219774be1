//! `unlearnctl concepts rm`

use clap::Args;

use crate::client::error::Result;
use crate::client::names;
use crate::client::session::Session;
use crate::client::view::Note;
use crate::pb::v1::DeleteConceptBankRequest;

#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// Name of the bank.
    name: String,
}

pub(super) async fn run(session: &Session, args: &RmArgs) -> Result<()> {
    let name = names::concept_bank(&args.name);
    session.concepts().delete_concept_bank(DeleteConceptBankRequest { name: name.clone() }).await?;
    session.output.show(&Note::new(format!("{name} deleted")).with("deleted", name))
}
