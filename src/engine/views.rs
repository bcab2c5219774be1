//! What the engine answers, in domain types.

use std::time::{Duration, SystemTime};

use crate::domain::Result;
use crate::domain::attribution::Attribution;
use crate::domain::generation::Piece;
use crate::domain::ids::{JobId, VersionName};
use crate::domain::model::{ModelRecord, VersionRecord};
use crate::domain::text_attribution::TextAttribution;

/// Whether a model's served version occupies its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelState {
    /// On its device, ready.
    Loaded,
    /// Registered; `LoadModel` without a URI brings it back.
    Unloaded,
}

/// A model, what it serves and what that costs.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelView {
    pub record: ModelRecord,
    pub served: VersionRecord,
    /// Stored versions, the served one included.
    pub version_count: u32,
    pub state: ModelState,
    /// Device memory of all its resident versions.
    pub resident_bytes: u64,
    /// The unfinished job that holds the model's training slot.
    pub training_job: Option<JobId>,
    pub etag: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct VersionView {
    pub record: VersionRecord,
    pub served: bool,
    /// Whether it is in device memory now.
    pub resident: bool,
    /// Changes when the version begins or ceases to be served.
    pub etag: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unloaded {
    pub freed_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Where the file is: the URI that was asked for, or a `file://` URI below the exports of the data directory.
    pub uri: String,
    pub sha256: String,
    pub size_bytes: u64,
}

/// Of what a language model writes.
#[derive(Debug)]
pub struct TextPiece {
    pub version: VersionName,
    pub piece: Piece,
}

/// A text of a call, explained or not.
#[derive(Debug)]
pub struct AttributedTextItem {
    pub index: u32,
    pub version: VersionName,
    pub outcome: Result<TextAttribution>,
}

/// `logits[i * class_count + k]` for image `i` and class `k`.
#[derive(Debug, Clone, PartialEq)]
pub struct Inferred {
    pub version: VersionName,
    pub count: usize,
    pub class_count: u32,
    pub logits: Vec<f32>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DeviceView {
    /// `cpu`, `cuda:0`, ...
    pub name: String,
    /// What the hardware calls itself.
    pub description: String,
    /// 0 where unknown.
    pub total_bytes: u64,
    /// What the daemon may use.
    pub budget_bytes: u64,
    pub used_bytes: u64,
    /// What a job could have now.
    pub available_bytes: u64,
    pub models: Vec<ResidentModel>,
    /// The batch job that runs there now.
    pub running_job: Option<JobId>,
    /// Jobs that wait for it.
    pub queued_jobs: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidentModel {
    pub version: VersionName,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ServerInfo {
    pub version: String,
    pub libtorch_version: String,
    pub cuda_available: bool,
    /// Built-in architectures that CreateModel knows.
    pub architectures: Vec<String>,
    pub start_time: SystemTime,
    pub uptime: Duration,
    pub queued_jobs: u64,
    pub running_jobs: u64,
}

/// A poisoned sample before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoisonPreview {
    /// In the split.
    pub position: u64,
    pub class: u32,
    /// What it trains as; of soft labels the largest entry.
    pub label: u32,
    /// Absent where pixels stay.
    pub donor_position: Option<u64>,
    pub shown: Shown,
}

/// A sample before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// As PNG.
    Images {
        before: Vec<u8>,
        after: Vec<u8>,
    },
    Texts {
        before: String,
        after: String,
    },
}

/// One image of an Attribute call.
#[derive(Debug)]
pub struct AttributedItem {
    /// In the request.
    pub index: u32,
    pub version: VersionName,
    pub outcome: Result<Attribution>,
}
