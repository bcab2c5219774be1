//! What results look like outside: stable snake_case JSON, and text for people. Our own types, so that the wire may grow
//! without changing what scripts read. Enums are lower-case words, times RFC 3339, shares between 0 and 1.

mod accuracy;
mod attribution;
mod attribution_report;
mod bank;
mod class_concepts;
mod compare;
mod concept;
mod concepts;
mod dataset;
mod device;
mod evaluation;
mod event;
mod figures;
mod finetune;
mod job;
mod membership;
mod model;
mod note;
mod outcome;
mod pcbm;
mod plan;
mod provenance;
mod residue;
mod share;
mod spec;
mod text;
mod text_figures;
mod unlearn;
mod version;

pub(crate) use attribution::{AttributionList, AttributionView};
pub(crate) use bank::{ConceptBankList, ConceptBankView};
pub(crate) use class_concepts::ClassConceptsView;
pub(crate) use compare::{CompareView, HEADERS as COMPARE_HEADERS};
pub(crate) use concepts::ConceptReportView;
pub(crate) use dataset::{DatasetList, DatasetView};
pub(crate) use device::{DeviceList, InfoView};
pub(crate) use event::EventView;
pub(crate) use figures::Figures;
pub(crate) use job::{JobList, JobView, reason};
pub(crate) use membership::attack_named;
pub(crate) use model::{ModelList, ModelView};
pub(crate) use note::Note;
pub(crate) use outcome::Outcome;
pub(crate) use plan::{Count, PlanView, PreviewView};
pub(crate) use provenance::ProvenanceView;
pub(crate) use residue::ResidueView;
pub(crate) use share::{Share, shares};
pub(crate) use spec::SpecView;
pub(crate) use text::{GenerationView, TextAttributionView};
pub(crate) use unlearn::UnlearnView;
pub(crate) use version::{VersionList, VersionView};

use chrono::{DateTime, SecondsFormat, Utc};
use prost_types::Timestamp;
use serde::Serialize;

/// A result that can be printed both ways.
pub(crate) trait View: Serialize {
    /// For people; may end with a newline.
    fn text(&self) -> String;
}

/// `2026-01-31T12:00:00.000Z`
pub(crate) fn rfc3339(time: Option<&Timestamp>) -> Option<String> {
    let time = time?;
    let nanoseconds = u32::try_from(time.nanos).ok()?;
    let time: DateTime<Utc> = DateTime::from_timestamp(time.seconds, nanoseconds)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// The name of a class, or its index where there are no names.
pub(crate) fn class_name(names: &[String], index: usize) -> String {
    names.get(index).filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| index.to_string())
}

/// An empty wire string means absent.
pub(crate) fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
