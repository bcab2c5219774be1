//! Between wire messages and domain values: the border where a request is checked, once.
//!
//! One file mirrors one proto file, or a part of one where that is large (`unlearning`, `poison`, `poison_image`, `trainer`, `optimizer`, `plan`; `concepts`, `concept_report`; `attributions`, `attribution_spec`; `jobs`, `events`,
//! `filter`, `submission`; `models`, `preprocessing`; `evaluations`, `membership`; `text`). Messages coming in are destructured completely, so that a new
//! field stops the build until someone decides about it; every error names the path of its field (`poison.forget.classes[0]`).
//! May depend on `pb`, `domain` and the engine's requests and views; decides nothing.

mod answer_poison;
mod attribution_spec;
mod attributions;
mod common;
mod concept_report;
mod concepts;
mod datasets;
mod evaluations;
mod events;
mod fields;
mod filter;
mod jobs;
mod membership;
mod models;
mod names;
mod operations;
mod optimizer;
mod plan;
mod poison;
mod poison_image;
mod preprocessing;
mod submission;
mod system;
pub(super) mod text;
mod text_figures;
mod text_goal;
mod text_objective;
mod text_options;
mod text_tuning;
mod trainer;
mod unlearning;
mod words;

pub(super) use attributions::AttributeCall;
pub(super) use common::page_request;
pub(super) use concepts::example_count;
pub(super) use events::{job_event, watch_start};
pub(super) use fields::{parsed, required};
pub(super) use filter::job_filter;
pub(super) use models::Export;
pub(super) use names::ClassNames;
pub(super) use operations::{operation, operations_filter, wait_timeout};
pub(super) use submission::{JobRequest, Terms};
pub(super) use unlearning::PlanQuestion;
