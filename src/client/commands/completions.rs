//! `unlearnctl completions SHELL`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::client::arguments::Cli;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) {
    clap_complete::generate(args.shell, &mut Cli::command(), "unlearnctl", &mut std::io::stdout());
}
