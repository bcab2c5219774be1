//! When the training of a language model is over.

use clap::Args;

use crate::pb::v1::TextGoal;

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Goal (language models)")]
pub(crate) struct GoalArgs {
    /// Look at the adapter after each epoch: stop when it has forgotten and keeps the rest, and publish the best epoch.
    #[arg(long)]
    until_forgotten: bool,
    /// Largest share of forgotten examples told right, or of answers with a name [default: 0].
    #[arg(long, value_name = "SHARE")]
    goal_forget: Option<f64>,
    /// Largest drop of what is retained [default: 0.05].
    #[arg(long, value_name = "SHARE")]
    goal_retain_drop: Option<f64>,
    /// Examples of each side that are looked at [default: 50].
    #[arg(long, value_name = "N")]
    goal_examples: Option<u32>,
    /// Names that must not appear in written answers [default: those that are masked]; may be repeated.
    #[arg(long, value_name = "NAME")]
    goal_name: Vec<String>,
}

impl GoalArgs {
    /// None where nothing was said.
    pub(super) fn message(&self) -> Option<TextGoal> {
        let goal = TextGoal {
            max_forget: self.goal_forget,
            max_retain_drop: self.goal_retain_drop,
            examples: self.goal_examples.unwrap_or_default(),
            names: self.goal_name.clone(),
            max_answer_tokens: 0,
        };
        (self.until_forgotten || goal != TextGoal::default()).then_some(goal)
    }
}
