//! `unlearnctl concepts extract`

use clap::Args;

use crate::client::arguments::{PcbmArgs, SubmissionArgs, TcavArgs, WordArgs, source};
use crate::client::commands::submitted::{self, WaitArgs};
use crate::client::error::Result;
use crate::client::names;
use crate::client::session::{Session, request_id};
use crate::client::words::parser;
use crate::pb::v1::{ConceptSign, DataSource, ExtractConceptsRequest, Precision};

#[derive(Debug, Args)]
pub(crate) struct ExtractArgs {
    /// Bank whose concepts are looked for.
    #[arg(long, value_name = "BANK", required_unless_present = "words", conflicts_with = "words")]
    bank: Option<String>,
    /// Model (the version being served), or a version of it: MODEL@VERSION.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    model: String,
    /// Samples that the sparse layer is fitted to.
    #[arg(long, value_name = "DATASET[:SPLIT]", value_parser = source)]
    train: DataSource,
    /// Samples that accuracies are measured on; without them the training samples.
    #[arg(long, value_name = "DATASET[:SPLIT]", value_parser = source)]
    test: Option<DataSource>,
    /// Tell about this class (name or index) [default: all]. May be repeated.
    #[arg(long, value_name = "CLASS")]
    class: Vec<String>,
    /// Concepts listed a class [default: 5].
    #[arg(long, value_name = "N")]
    top_concepts: Option<u32>,
    /// Which concepts of a class come first: largest weights above 0, largest of any sign, or largest absolute ones
    /// [default: positive].
    #[arg(long, value_parser = parser::<ConceptSign>())]
    sign: Option<ConceptSign>,
    /// Fit to at most this many training samples, stratified by class [default: 10000].
    #[arg(long, value_name = "N")]
    max_samples: Option<u32>,
    /// Arithmetic of the pass [default: f32].
    #[arg(long, value_parser = parser::<Precision>())]
    precision: Option<Precision>,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    submission: SubmissionArgs,
    #[command(flatten)]
    pcbm: PcbmArgs,
    #[command(flatten)]
    tcav: TcavArgs,
    #[command(flatten)]
    words: WordArgs,
}

impl ExtractArgs {
    fn request(&self) -> ExtractConceptsRequest {
        ExtractConceptsRequest {
            concept_bank: self.bank.as_deref().map(names::concept_bank).unwrap_or_default(),
            model: names::model(&self.model),
            train: Some(self.train.clone()),
            test: self.test.clone(),
            classes: self.class.clone(),
            top_concepts: self.top_concepts.unwrap_or_default(),
            sign: self.sign.unwrap_or_default().into(),
            pcbm: self.pcbm.message(),
            tcav: self.tcav.message(),
            max_samples: self.max_samples.unwrap_or_default(),
            precision: self.precision.unwrap_or_default().into(),
            seed: self.seed,
            request_id: request_id(),
            priority: self.submission.priority(),
            timeout: self.submission.timeout(),
            words: self.words.message(self.seed),
        }
    }
}

pub(super) async fn run(session: &Session, args: &ExtractArgs) -> Result<()> {
    let operation = session.concepts().extract_concepts(args.request()).await?.into_inner();
    submitted::show(session, operation, args.wait).await
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::client::arguments::{Cli, Command};
    use crate::client::commands::concepts;

    fn request(flags: &str) -> std::result::Result<ExtractConceptsRequest, clap::Error> {
        of(&format!("--bank b {flags}"))
    }

    fn of(flags: &str) -> std::result::Result<ExtractConceptsRequest, clap::Error> {
        let line = format!("unlearnctl concepts extract --model m@2 --train d {flags}");
        let Command::Concepts(concepts::Command::Extract(args)) = Cli::try_parse_from(line.split_whitespace())?.command
        else {
            panic!("another command")
        };
        Ok(args.request())
    }

    #[test]
    fn what_is_not_said_is_left_to_the_daemon() {
        let request = request("").unwrap();
        assert_eq!((request.concept_bank.as_str(), request.model.as_str()), ("conceptBanks/b", "models/m/versions/2"));
        assert_eq!((request.pcbm, request.tcav, request.test), (None, None, None));
    }

    #[test]
    fn every_flag_arrives() {
        let request = request(
            "--test d:test --class deer --class 3 --top-concepts 8 --sign absolute --lambda 1e-4 --l1-ratio 0.5 \
             --standardize --multinomial --residual --tcav --tcav-runs 20 --tcav-random-sets 30 --tcav-max-samples 40 \
             --tcav-alpha 0.01 --tcav-pooled-variance --max-samples 500",
        )
        .unwrap();
        assert_eq!((request.classes.len(), request.top_concepts, request.sign()), (2, 8, ConceptSign::Absolute));
        let pcbm = request.pcbm.unwrap();
        assert_eq!((pcbm.lambda, pcbm.l1_ratio), (Some(1e-4), Some(0.5)));
        assert!(pcbm.standardize && pcbm.multinomial && pcbm.residual);
        let tcav = request.tcav.unwrap();
        assert_eq!((tcav.runs, tcav.random_sets, tcav.max_samples, tcav.alpha), (20, 30, 40, Some(0.01)));
        assert!(tcav.pooled_variance);
        assert_eq!(request.max_samples, 500);
    }

    #[test]
    fn words_take_the_place_of_a_bank() {
        let request = of(
            "--words --samples-per-class 20 --steps 16 --rule middle --baseline eos --word-alpha 0.01 --max-tokens 128",
        )
        .unwrap();
        assert_eq!(request.concept_bank, "");
        let words = request.words.unwrap();
        assert_eq!((words.samples_per_class, words.alpha), (20, Some(0.01)));
        assert_eq!(words.attribution.unwrap().steps, 16);
        assert_eq!(words.options.unwrap().max_tokens, 128);
        assert!(of("").is_err() && of("--words --bank b").is_err() && of("--bank b --steps 5").is_err());
    }

    #[test]
    fn options_of_the_test_ask_for_the_test() {
        assert!(request("--tcav-runs 20").is_err());
    }
}
