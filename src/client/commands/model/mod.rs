//! `unlearnctl model …`

mod create;
mod delete;
mod export;
mod import;
mod list;
mod load;
mod promote;
mod show;
mod unload;
mod versions;

use clap::Subcommand;

use crate::client::error::Result;
use crate::client::session::Session;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load weights as version 1 of a new model, or bring a stored model back into memory (without --uri).
    Load(load::LoadArgs),
    /// Initialise a built-in architecture at random as version 1 of a new model.
    Create(create::CreateArgs),
    /// All models.
    List,
    /// One model, or one version: MODEL@VERSION.
    Show(show::ShowArgs),
    /// The versions of a model, oldest first.
    Versions(versions::VersionsArgs),
    /// Free the device memory of a model; what is stored stays.
    Unload(unload::UnloadArgs),
    /// Delete a model with all versions, or one version: MODEL@VERSION.
    Delete(delete::DeleteArgs),
    /// Take a LoRA adapter of peft in as a version of a language model.
    Import(import::ImportArgs),
    /// Write a version to a file that PyTorch can read, or to a folder for transformers or peft.
    Export(export::ExportArgs),
    /// Serve a version; with an older one this is the way back.
    Promote(promote::PromoteArgs),
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Load(args) => load::run(session, args).await,
        Command::Create(args) => create::run(session, args).await,
        Command::List => list::run(session).await,
        Command::Show(args) => show::run(session, &args).await,
        Command::Versions(args) => versions::run(session, &args).await,
        Command::Unload(args) => unload::run(session, &args).await,
        Command::Delete(args) => delete::run(session, args).await,
        Command::Import(args) => import::run(session, args).await,
        Command::Export(args) => export::run(session, args).await,
        Command::Promote(args) => promote::run(session, args).await,
    }
}
