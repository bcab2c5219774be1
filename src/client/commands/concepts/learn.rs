//! `unlearnctl concepts learn`

use clap::Args;

use crate::client::arguments::{CavArgs, SubmissionArgs, source};
use crate::client::commands::submitted::{self, WaitArgs};
use crate::client::error::{Error, Result};
use crate::client::names;
use crate::client::session::{Session, request_id};
use crate::client::words::parser;
use crate::pb::v1::learn_concept_bank_request::{ExampleSet, Examples, Folder, Procedural, Source, examples};
use crate::pb::v1::{DataSource, LearnConceptBankRequest, Precision, Selector};

#[derive(Debug, Args)]
pub(crate) struct LearnArgs {
    /// Name of the new bank.
    #[arg(long, value_name = "BANK")]
    bank: String,
    /// Model (the version being served), or a version of it: MODEL@VERSION.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    model: String,
    /// From rendered concepts: those named, or the whole library. This is also what happens when nothing is said.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', num_args = 0.., conflicts_with = "dataset")]
    procedural: Option<Vec<String>>,
    /// From examples: every split is a concept with the classes `positives` and `negatives`, unless --concept says otherwise.
    #[arg(long, value_name = "DATASET[:SPLIT]", value_parser = source)]
    dataset: Option<DataSource>,
    /// A concept, shown by some classes of --dataset and not by others. May be repeated.
    #[arg(long, value_name = "NAME=CLASS,…:CLASS,…", value_parser = concept, requires = "dataset")]
    concept: Vec<ConceptArg>,
    /// Arithmetic of the pass [default: f32].
    #[arg(long, value_parser = parser::<Precision>())]
    precision: Option<Precision>,
    /// Of the choice of examples and of rendering.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    submission: SubmissionArgs,
    #[command(flatten)]
    cav: CavArgs,
}

/// `striped=zebra,tiger:horse,lion`
#[derive(Debug, Clone, PartialEq)]
struct ConceptArg {
    name: String,
    positives: Vec<String>,
    negatives: Vec<String>,
}

fn concept(text: &str) -> std::result::Result<ConceptArg, String> {
    let list = |classes: &str| classes.split(',').filter(|class| !class.is_empty()).map(str::to_owned).collect();
    let parts = text.split_once('=').and_then(|(name, classes)| Some((name, classes.split_once(':')?)));
    let (name, (positives, negatives)) = parts.ok_or_else(|| format!("`{text}` is not NAME=CLASS,…:CLASS,…"))?;
    let concept = ConceptArg { name: name.to_owned(), positives: list(positives), negatives: list(negatives) };
    if name.is_empty() || concept.positives.is_empty() || concept.negatives.is_empty() {
        return Err(format!("`{text}` needs a name, a class that shows it and, after the colon, one that does not"));
    }
    Ok(concept)
}

impl ConceptArg {
    fn message(&self, source: &DataSource) -> examples::Concept {
        let set = |classes: &[String]| ExampleSet {
            source: Some(source.clone()),
            selector: Some(Selector { classes: classes.to_vec(), ..Selector::default() }),
        };
        examples::Concept {
            name: self.name.clone(),
            positives: Some(set(&self.positives)),
            negatives: Some(set(&self.negatives)),
        }
    }
}

impl LearnArgs {
    fn request(&self) -> Result<LearnConceptBankRequest> {
        Ok(LearnConceptBankRequest {
            concept_bank_id: self.bank.clone(),
            model: names::model(&self.model),
            source: Some(self.source()?),
            cav: self.cav.message(),
            precision: self.precision.unwrap_or_default().into(),
            seed: self.seed,
            request_id: request_id(),
            priority: self.submission.priority(),
            timeout: self.submission.timeout(),
        })
    }

    fn source(&self) -> Result<Source> {
        let Some(dataset) = &self.dataset else {
            return Ok(Source::Procedural(Procedural { concepts: self.procedural.clone().unwrap_or_default() }));
        };
        if !self.concept.is_empty() {
            let concepts = self.concept.iter().map(|concept| concept.message(dataset)).collect();
            return Ok(Source::Examples(Examples { concepts }));
        }
        if !dataset.split.is_empty() {
            return Err(Error::Usage(format!(
                "every split of {} is a concept, so --dataset takes no split here; or name concepts by --concept",
                dataset.dataset
            )));
        }
        Ok(Source::Folder(Folder { dataset: dataset.dataset.clone() }))
    }
}

pub(super) async fn run(session: &Session, args: &LearnArgs) -> Result<()> {
    let operation = session.concepts().learn_concept_bank(args.request()?).await?.into_inner();
    submitted::show(session, operation, args.wait).await
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::client::arguments::{Cli, Command};
    use crate::client::commands::concepts;
    use crate::pb::v1::CavMethod;

    fn request(flags: &str) -> Result<LearnConceptBankRequest> {
        let line = format!("unlearnctl concepts learn --bank b --model m {flags}");
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}"));
        let Command::Concepts(concepts::Command::Learn(args)) = cli.command else { panic!("another command") };
        args.request()
    }

    #[test]
    fn rendered_concepts_are_the_default() {
        for (flags, concepts) in [("", 0), ("--procedural", 0), ("--procedural red,striped", 2)] {
            let Some(Source::Procedural(library)) = request(flags).unwrap().source else { panic!("{flags}") };
            assert_eq!(library.concepts.len(), concepts, "{flags}");
        }
    }

    #[test]
    fn examples_come_from_splits_or_from_classes() {
        let folder = request("--dataset broden").unwrap().source;
        assert_eq!(folder, Some(Source::Folder(Folder { dataset: "datasets/broden".into() })));
        assert_eq!(request("--dataset broden:train").unwrap_err().exit_code(), 2);
        let named = request("--dataset d:train --concept striped=zebra,tiger:horse --concept wet=fish:cat").unwrap();
        let Some(Source::Examples(examples)) = named.source else { panic!("no examples") };
        let striped = &examples.concepts[0];
        assert_eq!((examples.concepts.len(), striped.name.as_str()), (2, "striped"));
        assert_eq!(striped.positives.as_ref().unwrap().selector.as_ref().unwrap().classes, ["zebra", "tiger"]);
        assert_eq!(striped.negatives.as_ref().unwrap().source.as_ref().unwrap().split, "train");
        assert!(concept("striped=zebra").is_err() && concept("striped=zebra:").is_err() && concept("=a:b").is_err());
    }

    #[test]
    fn every_flag_arrives() {
        let flags = "--method logistic --examples-per-side 20 --c-grid 0.1,1 --precision bf16 --seed 4";
        let request = request(flags).unwrap();
        let cav = request.cav.as_ref().unwrap();
        assert_eq!((cav.method(), cav.examples_per_side, cav.c_grid.len()), (CavMethod::Logistic, Some(20), 2));
        assert_eq!((request.precision(), request.seed), (Precision::Bf16, 4));
        assert_eq!((request.concept_bank_id.as_str(), request.model.as_str()), ("b", "models/m"));
    }
}
