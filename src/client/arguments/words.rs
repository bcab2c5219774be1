//! Words in the place of a bank's concepts.

use clap::Args;

use super::{ForgetArgs, TextOptionArgs};
use crate::client::words::parser;
use crate::pb::v1::extract_concepts_request::Words;
use crate::pb::v1::{QuadratureRule, TextBaseline, TokenAttributionSpec};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Words of texts")]
pub(crate) struct WordArgs {
    /// Rank the words that the classes of labelled texts rest on, instead of the concepts of a bank; for language models.
    #[arg(long)]
    words: bool,
    /// Texts of a class, a seeded draw [default: 100].
    #[arg(long, value_name = "N", conflicts_with = "bank")]
    samples_per_class: Option<u32>,
    /// Level at which a word is significant, before the correction for the number of words [default: 0.05].
    #[arg(long, value_name = "LEVEL", conflicts_with = "bank")]
    word_alpha: Option<f64>,
    /// Steps of the path integral, 1 to 1024 [default: 50].
    #[arg(long, value_name = "N", conflicts_with = "bank")]
    steps: Option<u32>,
    /// Double the steps, to 512 at most, until the attribution is complete.
    #[arg(long, conflicts_with = "bank")]
    adaptive: bool,
    /// Points and weights of the path integral [default: gauss-legendre].
    #[arg(long, conflicts_with = "bank", value_parser = parser::<QuadratureRule>())]
    rule: Option<QuadratureRule>,
    /// What the words are compared with [default: pad].
    #[arg(long, conflicts_with = "bank", value_parser = parser::<TextBaseline>())]
    baseline: Option<TextBaseline>,
    /// Rows of one pass, at most 256 [default: chosen by the daemon].
    #[arg(long, value_name = "N", conflicts_with = "bank")]
    internal_batch_size: Option<u32>,
    #[command(flatten)]
    options: TextOptionArgs,
    /// Of texts without labels: whose answers are weighed.
    #[command(flatten)]
    forget: ForgetArgs,
}

impl WordArgs {
    /// None: the concepts of a bank. What is said of texts beside a bank is for the daemon to refuse.
    pub(crate) fn message(&self, seed: u64) -> Option<Words> {
        let (options, forget) = (self.options.message(), self.forget.selector(seed));
        (self.words || options.is_some() || forget.is_some()).then(|| Words {
            options,
            attribution: Some(self.attribution()),
            samples_per_class: self.samples_per_class.unwrap_or_default(),
            alpha: self.word_alpha,
            forget,
        })
    }

    fn attribution(&self) -> TokenAttributionSpec {
        TokenAttributionSpec {
            rule: self.rule.unwrap_or_default().into(),
            steps: self.steps.unwrap_or_default(),
            baseline: self.baseline.unwrap_or_default().into(),
            internal_batch_size: self.internal_batch_size.unwrap_or_default(),
            adaptive: self.adaptive,
        }
    }
}
