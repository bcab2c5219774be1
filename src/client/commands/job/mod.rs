//! `unlearnctl job …`

mod cancel;
mod list;
mod rm;
mod show;
mod wait;
mod watch;

use clap::{Args, Subcommand};

use crate::client::error::Result;
use crate::client::names;
use crate::client::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Jobs, newest first.
    List(list::ListArgs),
    /// One job with its request, state and result.
    Show(JobArgs),
    /// Print a job's events from the beginning, then follow until it ends.
    Watch(watch::WatchArgs),
    /// Ask a job to stop; what it has trained is not published.
    Cancel(cancel::CancelArgs),
    /// Wait until a job ends and show its result; fails unless it succeeded.
    Wait(JobArgs),
    /// Forget a finished job and its events; versions it made stay.
    Rm(JobArgs),
}

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    job: String,
}

impl JobArgs {
    fn name(&self) -> String {
        names::job(&self.job)
    }
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::List(args) => list::run(session, &args).await,
        Command::Show(args) => show::run(session, &args).await,
        Command::Watch(args) => watch::run(session, &args).await,
        Command::Cancel(args) => cancel::run(session, &args).await,
        Command::Wait(args) => wait::run(session, &args).await,
        Command::Rm(args) => rm::run(session, &args).await,
    }
}
