//! system.proto.

use super::common::timestamp;
use super::fields::wire_count;
use crate::engine::{DeviceView, ResidentModel, ServerInfo};
use crate::pb::v1 as pb;

impl From<ServerInfo> for pb::ServerInfo {
    fn from(value: ServerInfo) -> Self {
        let ServerInfo {
            version,
            libtorch_version,
            cuda_available: _,
            architectures,
            start_time,
            uptime: _,
            queued_jobs,
            running_jobs,
        } = value;
        Self {
            version,
            start_time: timestamp(start_time),
            architectures,
            torch_version: libtorch_version,
            active_job_count: wire_count(queued_jobs + running_jobs),
        }
    }
}

impl From<DeviceView> for pb::Device {
    fn from(value: DeviceView) -> Self {
        let DeviceView {
            name,
            description,
            total_bytes,
            budget_bytes,
            used_bytes,
            available_bytes,
            models,
            running_job,
            queued_jobs,
        } = value;
        Self {
            name,
            description,
            total_bytes,
            budget_bytes,
            used_bytes,
            available_bytes,
            resident_versions: models.into_iter().map(Into::into).collect(),
            running_job: running_job.map(|job| job.to_string()).unwrap_or_default(),
            queued_job_count: wire_count(queued_jobs),
        }
    }
}

impl From<ResidentModel> for pb::device::ResidentVersion {
    fn from(value: ResidentModel) -> Self {
        let ResidentModel { version, bytes } = value;
        Self { version: version.to_string(), bytes }
    }
}
