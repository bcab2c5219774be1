//! `unlearnctl plan`

use std::path::PathBuf;

use clap::Args;

use crate::client::arguments::{TrainingArgs, Tuning};
use crate::client::error::Result;
use crate::client::folder::Folder;
use crate::client::picture::{Picture, beside};
use crate::client::session::Session;
use crate::client::view::{PlanView, PreviewView};
use crate::pb::v1::PlanPoisoningRequest;
use crate::pb::v1::poison_plan::Preview;

/// Shown with --out alone.
const PREVIEWS: u32 = 8;

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Show at most this many poisoned samples before and after, 1 to 32 [default: none, with --out 8].
    #[arg(long, value_name = "N")]
    previews: Option<u32>,
    /// Write the poisoned images before and after to this folder, as PNG.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    training: TrainingArgs,
}

impl PlanArgs {
    fn request(&self, tuning: Tuning) -> PlanPoisoningRequest {
        let unstated = if self.out.is_some() { PREVIEWS } else { 0 };
        let Tuning { trainer, text } = tuning;
        PlanPoisoningRequest {
            poison: Some(self.training.poison()),
            trainer,
            text,
            method: self.training.method().into(),
            preview_count: self.previews.unwrap_or(unstated),
        }
    }
}

pub(super) async fn run(session: &Session, args: &PlanArgs) -> Result<()> {
    let plan =
        session.unlearning().plan_poisoning(args.request(args.training.tuning(session).await?)).await?.into_inner();
    let mut view = PlanView::of(&plan);
    let folder = args.out.as_deref().map(Folder::new);
    for (preview, shown) in plan.previews.iter().zip(&mut view.previews) {
        if let Some(folder) = folder.as_ref().filter(|_| !preview.before.is_empty()) {
            write(folder, preview, shown)?;
        }
        if session.output.shows_pictures() {
            shown.picture = picture(preview);
        }
    }
    session.output.show(&view)
}

/// `{position}-before.png` and `{position}-after.png`
fn write(folder: &Folder, preview: &Preview, shown: &mut PreviewView) -> Result<()> {
    shown.before = Some(folder.write_png(&format!("{}-before", preview.index), &preview.before)?);
    shown.after = Some(folder.write_png(&format!("{}-after", preview.index), &preview.after)?);
    Ok(())
}

fn picture(preview: &Preview) -> Option<String> {
    let (before, after) = (Picture::decode(&preview.before)?, Picture::decode(&preview.after)?);
    Some(beside(&before.text(), &after.text()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::client::arguments::{Cli, Command};
    use crate::pb::v1::sample_selection::{Amount, Order};
    use crate::pb::v1::{DonorRule, PoisonImageMode};

    fn request(flags: &str) -> PlanPoisoningRequest {
        let line = format!("unlearnctl plan --model m --train d --forget-class deer {flags}");
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}"));
        let Command::Plan(args) = cli.command else { panic!("another command") };
        args.request(args.training.tuning_of(false).unwrap())
    }

    #[test]
    fn images_are_asked_for_only_where_they_go_somewhere() {
        assert_eq!(request("").preview_count, 0);
        assert_eq!(request("--out d").preview_count, PREVIEWS);
        assert_eq!(request("--previews 3 --out d").preview_count, 3);
    }

    #[test]
    fn concepts_choose_donors_samples_and_places() {
        let poison = request(
            "--donor-rule concept-cosine --poison-count 50 --select-by top-concept --image-mode localized \
             --concept-bank texture --top-concepts 4",
        )
        .poison
        .unwrap();
        assert_eq!(poison.donor.as_ref().unwrap().rule(), DonorRule::ConceptCosine);
        let selection = poison.selection.unwrap();
        assert_eq!((selection.amount, selection.order()), (Some(Amount::Count(50)), Order::TopConcept));
        assert_eq!(poison.image_mode(), PoisonImageMode::Localized);
        assert_eq!((poison.concept_bank.as_str(), poison.top_concepts), ("conceptBanks/texture", 4));
    }

    #[test]
    fn a_named_donor_is_explicit_unless_a_rule_is_stated() {
        let rule = |flags: &str| request(flags).poison.unwrap().donor.map(|donor| donor.rule());
        assert_eq!(rule(""), None);
        assert_eq!(rule("--donor horse"), Some(DonorRule::Explicit));
        assert_eq!(rule("--donor-rule nearest-class"), Some(DonorRule::NearestClass));
    }

    #[test]
    fn previews_are_written_before_and_after() {
        let root = tempfile::tempdir().unwrap();
        let preview = Preview { index: 17, before: b"b".to_vec(), after: b"a".to_vec(), ..Preview::default() };
        let mut shown = PreviewView::of(&preview);
        write(&Folder::new(root.path()), &preview, &mut shown).unwrap();
        assert!(shown.before.unwrap().ends_with("17-before.png"));
        assert_eq!(std::fs::read(root.path().join("17-after.png")).unwrap(), b"a");
    }
}
