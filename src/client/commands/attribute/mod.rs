//! `unlearnctl attribute`: images at once, whole datasets as a job.

mod dataset;
mod images;

use std::path::PathBuf;

use clap::Args;

use super::submitted::WaitArgs;
use crate::client::arguments::{AttributionArgs, SelectionArgs, SubmissionArgs, source};
use crate::client::error::{Error, Result};
use crate::client::session::Session;
use crate::pb::v1::DataSource;

#[derive(Debug, Args)]
pub(crate) struct AttributeArgs {
    /// Model (the version being served), or a version of it: MODEL@VERSION.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    model: String,
    /// Images of this machine, PNG or JPEG, of the model's size.
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "dataset", conflicts_with = "dataset")]
    image: Vec<PathBuf>,
    /// Samples of a dataset: with --indices alone they are attributed at once, otherwise a job writes a file.
    #[arg(long, value_name = "DATASET[:SPLIT]", value_parser = source)]
    dataset: Option<DataSource>,
    /// Class to explain (name or index) [default: the predicted one; in a job each sample's own].
    #[arg(long, value_name = "CLASS")]
    target: Option<String>,
    /// Write heat maps to this folder, as PNG.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Put the values themselves into the JSON: [channels, height, width], row by row.
    #[arg(long)]
    values: bool,
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    submission: SubmissionArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    attribution: AttributionArgs,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// Job: where to write, inside one of the daemon's roots [default: the `exports` folder of its data directory].
    #[arg(long, conflicts_with = "image")]
    uri: Option<String>,
    /// Job: replace a file that is there.
    #[arg(long, conflicts_with = "image")]
    overwrite: bool,
    /// Job: at most this many samples, in order.
    #[arg(long, value_name = "N", conflicts_with = "image")]
    max_samples: Option<u32>,
}

/// The two ways to ask.
#[derive(Debug, PartialEq)]
enum Way<'a> {
    Files(&'a [PathBuf]),
    Samples(&'a DataSource, &'a [i64]),
    Job(&'a DataSource),
}

impl AttributeArgs {
    fn way(&self) -> Result<Way<'_>> {
        let asks_for_job = self.submission.is_stated();
        let Some(dataset) = &self.dataset else {
            if asks_for_job {
                let message = "--priority and --timeout belong to a job; images of this machine are attributed at once";
                return Err(Error::Usage(message.to_owned()));
            }
            return Ok(Way::Files(&self.image));
        };
        let asks_for_file =
            asks_for_job || self.file.uri.is_some() || self.file.overwrite || self.file.max_samples.is_some();
        match self.selection.indices_alone() {
            Some(indices) if !asks_for_file => Ok(Way::Samples(dataset, indices)),
            Some(_) | None if self.out.is_some() || self.values => Err(Error::Usage(
                "--out and --values belong to --image, or to --dataset with --indices alone; a job writes its own file"
                    .to_owned(),
            )),
            Some(_) | None => Ok(Way::Job(dataset)),
        }
    }
}

pub(super) async fn run(session: &Session, args: &AttributeArgs) -> Result<()> {
    match args.way()? {
        Way::Files(paths) => images::run(session, args, images::of_files(paths, args.target.as_deref())?).await,
        Way::Samples(source, indices) => {
            images::run(session, args, images::of_samples(source, indices, args.target.as_deref())).await
        }
        Way::Job(source) => dataset::run(session, args, source).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::client::arguments::{Cli, Command};
    use crate::pb::v1::attribution_spec::{Method, Output};
    use crate::pb::v1::{AttributionSpec, QuadratureRule, baseline, noise_tunnel};

    fn parse(flags: &str) -> std::result::Result<Box<AttributeArgs>, clap::Error> {
        let line = format!("unlearnctl attribute --model m {flags}");
        let Command::Attribute(args) = Cli::try_parse_from(line.split_whitespace())?.command else {
            panic!("another command")
        };
        Ok(args)
    }

    fn spec(flags: &str) -> Result<AttributionSpec> {
        parse(&format!("--image a.png {flags}")).unwrap().attribution.message()
    }

    #[test]
    fn positions_alone_are_attributed_at_once_and_everything_else_is_a_job() {
        let way = |flags: &str| format!("{:?}", parse(flags).unwrap().way());
        assert!(way("--image a.png b.png").starts_with("Ok(Files([\"a.png\", \"b.png\"]"));
        assert!(way("--dataset d --indices 1,2 --out heat").starts_with("Ok(Samples("));
        for flags in [
            "--dataset d",
            "--dataset d --class deer",
            "--dataset d --indices 1 --class deer",
            "--dataset d --indices 1 --uri x",
        ] {
            assert!(way(flags).starts_with("Ok(Job("), "{flags}");
        }
        assert!(way("--dataset d --out heat").starts_with("Err(Usage("));
        assert!(
            parse("").is_err() && parse("--image a.png --dataset d").is_err() && parse("--image a --uri x").is_err()
        );
    }

    #[test]
    fn what_is_not_said_is_left_to_the_daemon() {
        assert_eq!(spec("").unwrap(), AttributionSpec::default());
    }

    #[test]
    fn every_flag_arrives() {
        let spec = spec(
            "--rule trapezoid --steps 20 --adaptive --baseline blur=2 --explain probability --noise vargrad \
             --noise-samples 9 --noise-std 0.2 --infidelity --sensitivity --internal-batch-size 64 --seed 3",
        )
        .unwrap();
        let Some(Method::IntegratedGradients(method)) = spec.method else { panic!("another method") };
        assert_eq!((method.rule(), method.steps, method.adaptive), (QuadratureRule::Trapezoid, Some(20), true));
        assert_eq!(spec.baseline.as_ref().unwrap().kind, Some(baseline::Kind::Blur(2.0)));
        assert_eq!(spec.output(), Output::Probability);
        let noise = spec.noise.unwrap();
        assert_eq!((noise.kind(), noise.samples), (noise_tunnel::Kind::Vargrad, 9));
        assert_eq!(noise.level, Some(noise_tunnel::Level::RelativeStd(0.2)));
        assert!(spec.infidelity && spec.sensitivity);
        assert_eq!((spec.internal_batch_size, spec.seed), (64, 3));
    }

    #[test]
    fn every_method_takes_its_own_flags_and_no_others() {
        let owned = [
            ("integrated-gradients", "--steps 5"),
            ("saliency", "--signed"),
            ("gradient-shap", "--samples 7 --stdev 0.1"),
            ("occlusion", "--window 4 --stride 2"),
        ];
        for (method, _) in owned.iter().chain(&[("input-x-gradient", "")]) {
            for (owner, flags) in owned {
                let told = spec(&format!("--method {method} {flags}"));
                assert_eq!(told.is_ok(), *method == owner, "--method {method} {flags}");
            }
        }
        assert!(spec("--method saliency").unwrap().method.is_some());
    }
}
