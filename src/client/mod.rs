//! `unlearnctl`: commands, progress bars, tables and the HTML report.
//!
//! Owns everything between a person (or a script, with `--json`) and the daemon's gRPC surface. Depends on `pb` alone:
//! no domain types and no libtorch, so that it builds with `--no-default-features`.
//!
//! ```text
//! arguments ──► commands ──► session ──gRPC──► unlearnd
//!                  │  └────► watch (events, progress bar)
//!                  └──────► view (JSON and text) ──► output
//! ```

mod arguments;
mod commands;
mod error;
mod folder;
mod names;
mod output;
mod picture;
mod report;
mod session;
mod table;
mod view;
mod watch;
mod words;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use arguments::Cli;
use error::{Flags, Result};
use output::Output;

/// Parses the command line, runs one command, and says how it went: 0 only on success.
pub fn main() -> ExitCode {
    let command = Cli::command();
    let matches = command.clone().get_matches();
    let flags = Flags::of(&command, &matches);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let output = Output::new(cli.global.json, cli.global.quiet);
    match run(cli, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.failure(&error, &flags);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli, output: Output) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| error::Error::file("start the runtime", "tokio", source))?;
    runtime.block_on(commands::run(cli, output))
}
