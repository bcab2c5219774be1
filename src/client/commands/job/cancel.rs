//! `unlearnctl job cancel`

use clap::Args;

use super::JobArgs;
use crate::client::commands::submitted;
use crate::client::error::Result;
use crate::client::session::Session;
use crate::client::view::Note;
use crate::client::watch;
use crate::client::words::Words;
use crate::pb::google::longrunning::CancelOperationRequest;
use crate::pb::v1::job::State;

#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Wait until the job has ended.
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(session: &Session, args: &CancelArgs) -> Result<()> {
    let name = args.job.name();
    session.operations().cancel_operation(CancelOperationRequest { name: name.clone() }).await?;
    if args.wait {
        watch::until_end(session, &name).await?;
    }
    let state = State::word_of(submitted::get(session, &name).await?.state);
    session.output.show(&Note::new(format!("{name} {state}")).with("job", name).with("state", state))
}
