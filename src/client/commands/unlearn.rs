//! `unlearnctl unlearn`

use clap::Args;

use super::submitted::{self, WaitArgs};
use crate::client::arguments::{SubmissionArgs, TrainingArgs, Tuning, source};
use crate::client::error::Result;
use crate::client::names;
use crate::client::session::{Session, request_id};
use crate::pb::v1::{DataSource, UnlearnRequest};

#[derive(Debug, Args)]
pub(crate) struct UnlearnArgs {
    /// Data to evaluate on.
    #[arg(long, value_name = "DATASET[:SPLIT]", value_parser = source, display_order = 2)]
    test: DataSource,
    /// A version trained without the forget set, to compare with.
    #[arg(long, value_name = "MODEL[@VERSION]")]
    reference: Option<String>,
    /// Serve the new version as soon as it is published.
    #[arg(long)]
    promote: bool,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    submission: SubmissionArgs,
    // Last, since the headings in here hold for all flags that follow.
    #[command(flatten)]
    training: TrainingArgs,
}

impl UnlearnArgs {
    fn request(&self, tuning: Tuning) -> UnlearnRequest {
        let Tuning { trainer, text } = tuning;
        UnlearnRequest {
            poison: Some(self.training.poison()),
            trainer,
            text,
            method: self.training.method().into(),
            test: Some(self.test.clone()),
            reference_model: self.reference.as_deref().map(names::model).unwrap_or_default(),
            promote: self.promote,
            request_id: request_id(),
            priority: self.submission.priority(),
            timeout: self.submission.timeout(),
        }
    }
}

pub(super) async fn run(session: &Session, args: &UnlearnArgs) -> Result<()> {
    let operation =
        session.unlearning().unlearn(args.request(args.training.tuning(session).await?)).await?.into_inner();
    submitted::show(session, operation, args.wait).await
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::client::arguments::{Cli, Command};
    use crate::pb::v1::{BatchNormMode, DonorRule, LabelStrategy, Precision, Priority, Scope, optimizer, schedule};

    fn request(flags: &str) -> UnlearnRequest {
        let line = format!("unlearnctl unlearn --model m --train d --test d:test {flags}");
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}"));
        let Command::Unlearn(args) = cli.command else { panic!("another command") };
        args.request(args.training.tuning_of(false).unwrap())
    }

    #[test]
    fn what_is_not_said_is_left_to_the_daemon() {
        let request = request("--forget-class deer");
        let trainer = request.trainer.unwrap();
        assert_eq!(trainer, crate::pb::v1::TrainerSpec::default());
        let poison = request.poison.unwrap();
        assert_eq!((poison.model.as_str(), poison.labels, poison.donor), ("models/m", 0, None));
        assert_eq!(request.test.unwrap().split, "test");
        assert!(!request.request_id.is_empty());
    }

    #[test]
    fn every_flag_arrives() {
        let request = request(
            "--forget-class 3 --forget-class cat --labels random --scope last-block --donor horse --donor cat=dog \
             --epochs 7 --seed 9 --lr 0.05 --batch-size 64 --optimizer adamw --beta1 0.8 --weight-decay 5e-4 \
             --schedule cosine --warmup 10 --augment crop,flip --precision bf16 --bn recalibrate --reference m@4 --promote \
             --priority high --timeout 30m",
        );
        let (poison, trainer) = (request.poison.unwrap(), request.trainer.unwrap());
        assert_eq!(poison.forget.as_ref().unwrap().classes, ["3", "cat"]);
        assert_eq!(poison.labels(), LabelStrategy::Random);
        let donor = poison.donor.as_ref().unwrap();
        assert_eq!(
            (donor.rule(), donor.class.as_str(), donor.by_class["cat"].as_str()),
            (DonorRule::Explicit, "horse", "dog")
        );
        assert_eq!((poison.seed, trainer.seed), (9, 9));
        assert_eq!((trainer.scope(), trainer.batch_norm()), (Scope::LastBlock, BatchNormMode::RecalibrateOnRetain));
        assert_eq!((trainer.epochs, trainer.batch_size, trainer.learning_rate), (Some(7), Some(64), Some(0.05)));
        assert_eq!(trainer.precision(), Precision::Bf16);
        assert!(
            matches!(trainer.optimizer.unwrap().kind, Some(optimizer::Kind::Adamw(adamw)) if adamw.beta1 == Some(0.8))
        );
        let schedule = trainer.schedule.unwrap();
        assert!(matches!(schedule.kind, Some(schedule::Kind::Cosine(_))) && schedule.warmup_steps == 10);
        assert_eq!((request.reference_model.as_str(), request.promote), ("models/m/versions/4", true));
        assert_eq!((request.priority, request.timeout.unwrap().seconds), (Priority::High.into(), 1800));
    }

    #[test]
    fn flags_of_another_optimiser_are_refused() {
        let line = "unlearnctl unlearn --model m --train d --test d --optimizer adamw --momentum 0.9";
        let Command::Unlearn(args) = Cli::try_parse_from(line.split_whitespace()).unwrap().command else { panic!() };
        assert_eq!(args.training.tuning_of(false).unwrap_err().exit_code(), 2);
    }
}
