//! Between wire messages and domain values: the border where a request is checked, once.
//!
//! One file mirrors one proto file (`unlearning.proto` has four: `unlearning`, `poison`, `trainer`, `plan`). Messages coming in are destructured completely, so that a new
//! field stops the build until someone decides about it; every error names the path of its field (`poison.forget.classes[0]`).
//! May depend on `pb`, `domain` and the engine's requests and views; decides nothing.

mod common;
mod datasets;
mod evaluations;
mod fields;
mod jobs;
mod membership;
mod models;
mod names;
mod operations;
mod plan;
mod poison;
mod system;
mod trainer;
mod unlearning;

pub(crate) use common::{optional_model, page_request, request_id, timestamp};
pub(crate) use datasets::upload_header;
pub(crate) use fields::{parsed, required};
pub(crate) use jobs::{job_event, watch_start};
pub(crate) use models::{Etagged, Export, export_request};
pub(crate) use names::ClassNames;
pub(crate) use operations::{operation, operations_filter, wait_timeout};
