//! The command line. One file a group of flags that several commands share; the flags of one command are with the command.

mod answers;
mod attribution;
mod baseline;
mod cav;
mod connection;
mod forget;
mod goal;
mod method;
mod optimizer;
mod pcbm;
mod poison;
mod preprocessing;
mod schedule;
mod selection;
mod selector;
mod source;
mod submission;
mod text;
mod text_options;
mod text_tuning;
mod trainer;
mod training;
mod words;

pub(crate) use attribution::AttributionArgs;
pub(crate) use cav::CavArgs;
pub(crate) use connection::{Bearer, Connection};
pub(crate) use forget::ForgetArgs;
pub(crate) use pcbm::{PcbmArgs, TcavArgs};
pub(crate) use preprocessing::PreprocessingArgs;
pub(crate) use selection::SelectionArgs;
pub(crate) use source::source;
pub(crate) use submission::SubmissionArgs;
pub(crate) use text::TextArgs;
pub(crate) use text_options::TextOptionArgs;
pub(crate) use training::{TrainingArgs, Tuning};
pub(crate) use words::WordArgs;

use clap::{Args, Parser, Subcommand};

use super::commands;

/// Make resident PyTorch models forget, through unlearnd.
#[derive(Debug, Parser)]
#[command(name = "unlearnctl", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const GLOBAL: &str = "Connection and output";

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Print the result as one JSON object (one a line when watching).
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
    /// Print no progress and no remarks; without --json no result either.
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Models and their versions.
    #[command(subcommand)]
    Model(commands::model::Command),
    /// Labelled images, and texts.
    #[command(subcommand)]
    Dataset(commands::dataset::Command),
    /// Concepts: learn or discover a bank of them, and what the classes of a model owe to it.
    #[command(subcommand)]
    Concepts(commands::concepts::Command),
    /// How much each input value counts for an output: heat maps of images, or a file of a whole dataset.
    Attribute(Box<commands::attribute::AttributeArgs>),
    /// Which words an answer of a language model, or the class of a text, rests on.
    AttributeText(Box<commands::attribute_text::AttributeTextArgs>),
    /// Let a language model write.
    Generate(Box<commands::generate::GenerateArgs>),
    /// Show what would be poisoned, with which labels and donors and why. Changes nothing.
    Plan(Box<commands::plan::PlanArgs>),
    /// Evaluate, plan, fine-tune, publish a new version and evaluate again.
    Unlearn(Box<commands::unlearn::UnlearnArgs>),
    /// Train a copy of a version: poison, train, retrain, finetune, random-label or neg-grad-plus.
    Finetune(Box<commands::finetune::FinetuneArgs>),
    /// Accuracies, destinations and losses of a version, also against a reference.
    Evaluate(commands::evaluate::EvaluateArgs),
    /// Membership-inference attacks on a version.
    Mia(commands::mia::MiaArgs),
    /// Jobs: list, show, watch, cancel, wait for, remove.
    #[command(subcommand)]
    Job(commands::job::Command),
    /// Devices, their memory and what occupies it.
    #[command(subcommand)]
    Device(commands::device::Command),
    /// The daemon: version, architectures, active jobs.
    Info,
    /// Tokens for the daemon's tokens file; needs no daemon.
    #[command(subcommand)]
    Token(commands::token::Command),
    /// Compare finished unlearning jobs: a table, and a self-contained HTML file.
    Report(commands::report::ReportArgs),
    /// Print completions for a shell.
    Completions(commands::completions::CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
