//! `unlearnctl concepts discover`

use clap::Args;

use crate::client::arguments::{SelectionArgs, SubmissionArgs, source};
use crate::client::commands::submitted::{self, WaitArgs};
use crate::client::error::Result;
use crate::client::names;
use crate::client::session::{Session, request_id};
use crate::client::words::parser;
use crate::pb::v1::learn_concept_bank_request::{Discovery, ExampleSet, Source};
use crate::pb::v1::{DataSource, LearnConceptBankRequest, Precision};

#[derive(Debug, Args)]
pub(crate) struct DiscoverArgs {
    /// Name of the new bank.
    #[arg(long, value_name = "BANK")]
    bank: String,
    /// Model (the version being served), or a version of it: MODEL@VERSION.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    model: String,
    /// Images whose activations are factorised.
    #[arg(long, value_name = "DATASET[:SPLIT]", value_parser = source)]
    dataset: DataSource,
    /// Concepts to find, 2 to 64 [default: 16].
    #[arg(long, value_name = "N")]
    concepts: Option<u32>,
    /// At most this many of the samples, a seeded draw [default: 10000].
    #[arg(long, value_name = "N")]
    max_samples: Option<u32>,
    /// Arithmetic of the pass [default: f32].
    #[arg(long, value_parser = parser::<Precision>())]
    precision: Option<Precision>,
    /// Of the choice of samples and of the start.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    submission: SubmissionArgs,
    #[command(flatten)]
    selection: SelectionArgs,
}

impl DiscoverArgs {
    fn request(&self) -> LearnConceptBankRequest {
        let examples = ExampleSet { source: Some(self.dataset.clone()), selector: self.selection.selector(self.seed) };
        LearnConceptBankRequest {
            concept_bank_id: self.bank.clone(),
            model: names::model(&self.model),
            source: Some(Source::Discovery(Discovery {
                examples: Some(examples),
                concept_count: self.concepts.unwrap_or_default(),
                max_samples: self.max_samples.unwrap_or_default(),
            })),
            cav: None,
            precision: self.precision.unwrap_or_default().into(),
            seed: self.seed,
            request_id: request_id(),
            priority: self.submission.priority(),
            timeout: self.submission.timeout(),
        }
    }
}

pub(super) async fn run(session: &Session, args: &DiscoverArgs) -> Result<()> {
    let operation = session.concepts().learn_concept_bank(args.request()).await?.into_inner();
    submitted::show(session, operation, args.wait).await
}
