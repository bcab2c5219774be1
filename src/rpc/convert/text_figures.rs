//! evaluations.proto: figures of texts.

use super::fields::wire_count;
use crate::domain::evaluation::{NameAppearance, TextFigures};
use crate::pb::v1 as pb;

impl From<TextFigures> for pb::TextFigures {
    fn from(value: TextFigures) -> Self {
        let TextFigures {
            examples,
            skipped,
            rouge_l_recall,
            rouge_1_recall,
            probability,
            exact_memorisation,
            extraction_strength,
            appearance,
            truth_ratio,
        } = value;
        let (any, by_name) = appearance.map(|NameAppearance { any, by_name }| (any, by_name)).unzip();
        let named = |(name, share): (String, crate::domain::evaluation::Accuracy)| pb::text_figures::NameAppearance {
            name,
            share: Some(share.into()),
        };
        Self {
            examples: wire_count(examples),
            skipped: wire_count(skipped),
            rouge_l_recall,
            rouge_1_recall,
            probability,
            exact_memorisation,
            extraction_strength,
            appearance: any.map(Into::into),
            appearance_by_name: by_name.unwrap_or_default().into_iter().map(named).collect(),
            truth_ratio_forget: truth_ratio.map(|ratio| ratio.forget),
            truth_ratio_keep: truth_ratio.map(|ratio| ratio.keep),
        }
    }
}
