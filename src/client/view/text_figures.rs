//! What a language model answers to texts, beside their classes.

use serde::Serialize;

use super::accuracy::{self, AccuracyView};
use crate::client::table;
use crate::pb::v1;

/// Of the test split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TextSidesView {
    pub(crate) forget: Option<TextFiguresView>,
    pub(crate) retain: Option<TextFiguresView>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TextFiguresView {
    pub(crate) examples: i64,
    pub(crate) skipped: i64,
    pub(crate) rouge_l_recall: Option<f64>,
    pub(crate) rouge_1_recall: Option<f64>,
    pub(crate) probability: Option<f64>,
    pub(crate) exact_memorisation: Option<f64>,
    pub(crate) extraction_strength: Option<f64>,
    /// Share of the written answers in which a name appears.
    pub(crate) appearance: Option<AccuracyView>,
    pub(crate) appearance_by_name: Vec<NameView>,
    pub(crate) truth_ratio_forget: Option<f64>,
    pub(crate) truth_ratio_keep: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NameView {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) share: Option<AccuracyView>,
}

impl TextSidesView {
    /// None where no text was looked at.
    pub(crate) fn of(split: &v1::SplitEvaluation) -> Option<Self> {
        let side = |figures: &Option<v1::TextFigures>| {
            figures.as_ref().filter(|figures| figures.examples > 0).map(TextFiguresView::of)
        };
        let (forget, retain) = (side(&split.text_forget), side(&split.text_retain));
        (forget.is_some() || retain.is_some()).then_some(Self { forget, retain })
    }
}

impl TextFiguresView {
    fn of(figures: &v1::TextFigures) -> Self {
        let named = |named: &v1::text_figures::NameAppearance| NameView {
            name: named.name.clone(),
            share: AccuracyView::of(named.share.as_ref()),
        };
        Self {
            examples: figures.examples,
            skipped: figures.skipped,
            rouge_l_recall: figures.rouge_l_recall,
            rouge_1_recall: figures.rouge_1_recall,
            probability: figures.probability,
            exact_memorisation: figures.exact_memorisation,
            extraction_strength: figures.extraction_strength,
            appearance: AccuracyView::of(figures.appearance.as_ref()),
            appearance_by_name: figures.appearance_by_name.iter().map(named).collect(),
            truth_ratio_forget: figures.truth_ratio_forget,
            truth_ratio_keep: figures.truth_ratio_keep,
        }
    }
}

/// Name and text of each figure; all absent without texts.
pub(super) fn rows(sides: Option<&TextSidesView>) -> Vec<(&'static str, String)> {
    let forget = sides.and_then(|sides| sides.forget.as_ref());
    let retain = sides.and_then(|sides| sides.retain.as_ref());
    let number = |value: Option<f64>| table::optional(value, |value| format!("{value:.3}"));
    let of =
        |side: Option<&TextFiguresView>, figure: fn(&TextFiguresView) -> Option<f64>| number(side.and_then(figure));
    let names = |side: Option<&TextFiguresView>| accuracy::text(side.and_then(|side| side.appearance));
    vec![
        ("forget answers: ROUGE-L recall", of(forget, |side| side.rouge_l_recall)),
        ("retain answers: ROUGE-L recall", of(retain, |side| side.rouge_l_recall)),
        ("forget answers: names appear", names(forget)),
        ("retain answers: names appear", names(retain)),
        ("forget answers: probability", of(forget, |side| side.probability)),
        ("retain answers: probability", of(retain, |side| side.probability)),
        ("forget answers: extraction strength", of(forget, |side| side.extraction_strength)),
        ("forget answers: truth ratio (1 is forgotten)", of(forget, |side| side.truth_ratio_forget)),
        ("retain answers: truth ratio (1 is kept)", of(retain, |side| side.truth_ratio_keep)),
    ]
}
