//! `unlearnctl dataset …`

mod add;
mod list;
mod rm;
mod show;
mod upload;

use clap::Subcommand;

use crate::client::error::Result;
use crate::client::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register a dataset that the daemon can reach.
    Add(add::AddArgs),
    /// Send a file of this machine to the daemon.
    Upload(upload::UploadArgs),
    /// All datasets.
    List,
    /// One dataset with its counts by class.
    Show(show::ShowArgs),
    /// Delete a dataset.
    Rm(rm::RmArgs),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Add(args) => add::run(session, args).await,
        Command::Upload(args) => upload::run(session, args).await,
        Command::List => list::run(session).await,
        Command::Show(args) => show::run(session, &args).await,
        Command::Rm(args) => rm::run(session, &args).await,
    }
}
