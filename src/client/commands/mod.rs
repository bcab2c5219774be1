//! One command a file: its flags, and what it asks of the daemon. Each reads: build the request, call, show.

pub(crate) mod attribute;
pub(crate) mod attribute_text;
pub(crate) mod completions;
pub(crate) mod concepts;
pub(crate) mod dataset;
pub(crate) mod device;
pub(crate) mod evaluate;
pub(crate) mod finetune;
pub(crate) mod generate;
pub(crate) mod info;
pub(crate) mod job;
pub(crate) mod mia;
pub(crate) mod model;
pub(crate) mod plan;
pub(crate) mod report;
mod submitted;
pub(crate) mod token;
pub(crate) mod unlearn;

use super::arguments::{Cli, Command};
use super::error::Result;
use super::output::Output;
use super::session::Session;

/// Runs the command of a parsed command line.
pub(crate) async fn run(cli: Cli, output: Output) -> Result<()> {
    if let Command::Completions(args) = &cli.command {
        completions::run(args);
        return Ok(());
    }
    if let Command::Token(command) = &cli.command {
        return token::run(output, command);
    }
    let session = Session::connect(&cli.global.connection, output).await?;
    match cli.command {
        Command::Model(command) => model::run(&session, command).await,
        Command::Dataset(command) => dataset::run(&session, command).await,
        Command::Concepts(command) => concepts::run(&session, command).await,
        Command::Attribute(args) => attribute::run(&session, &args).await,
        Command::AttributeText(args) => attribute_text::run(&session, &args).await,
        Command::Generate(args) => generate::run(&session, &args).await,
        Command::Plan(args) => plan::run(&session, &args).await,
        Command::Unlearn(args) => unlearn::run(&session, &args).await,
        Command::Finetune(args) => finetune::run(&session, &args).await,
        Command::Evaluate(args) => evaluate::run(&session, args).await,
        Command::Mia(args) => mia::run(&session, args).await,
        Command::Job(command) => job::run(&session, command).await,
        Command::Device(command) => device::run(&session, command).await,
        Command::Info => info::run(&session).await,
        Command::Report(args) => Box::pin(report::run(&session, args)).await,
        Command::Completions(_) | Command::Token(_) => Ok(()),
    }
}
