//! `unlearnctl concepts …`

mod discover;
mod extract;
mod import;
mod learn;
mod list;
mod rm;
mod show;

use clap::Subcommand;

use crate::client::error::Result;
use crate::client::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Learn a bank: from the built-in library of rendered concepts (without any data), or from examples.
    Learn(learn::LearnArgs),
    /// Find the parts that a model itself groups images by, without labelled concepts.
    Discover(discover::DiscoverArgs),
    /// Register vectors made elsewhere, such as text embeddings of concept words.
    Import(import::ImportArgs),
    /// What the classes of a model owe to the concepts of a bank, and towards which donor each would be poisoned.
    Extract(Box<extract::ExtractArgs>),
    /// All banks.
    List,
    /// One bank with how well each concept can be told.
    Show(show::ShowArgs),
    /// Delete a bank.
    Rm(rm::RmArgs),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Learn(args) => learn::run(session, &args).await,
        Command::Discover(args) => discover::run(session, &args).await,
        Command::Import(args) => import::run(session, args).await,
        Command::Extract(args) => extract::run(session, &args).await,
        Command::List => list::run(session).await,
        Command::Show(args) => show::run(session, &args).await,
        Command::Rm(args) => rm::run(session, &args).await,
    }
}
