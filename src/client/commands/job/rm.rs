//! `unlearnctl job rm`

use super::JobArgs;
use crate::client::error::Result;
use crate::client::session::Session;
use crate::client::view::Note;
use crate::pb::google::longrunning::DeleteOperationRequest;

pub(super) async fn run(session: &Session, args: &JobArgs) -> Result<()> {
    let name = args.name();
    session.operations().delete_operation(DeleteOperationRequest { name: name.clone() }).await?;
    session.output.show(&Note::new(format!("{name} deleted")).with("deleted", name))
}
