//! The daemon and its devices.

use std::time::{Duration, SystemTime};

use super::core::CODE_VERSION;
use super::handle::Engine;
use super::views::{DeviceView, ResidentModel, ServerInfo};
use crate::device::{DeviceInfo, DeviceKind};
use crate::domain::Result;
use crate::domain::job::JobState;
use crate::ml::backbone;

/// What the binding is made for; building it refuses any other.
const LIBTORCH_VERSION: &str = "2.13.0";

impl Engine {
    pub async fn server_info(&self) -> Result<ServerInfo> {
        let jobs = self.core.store.unfinished_jobs().await?;
        let queued = jobs.iter().filter(|job| job.state == JobState::Queued).count() as u64;
        let start_time = self.core.start_time;
        Ok(ServerInfo {
            version: CODE_VERSION.to_owned(),
            libtorch_version: LIBTORCH_VERSION.to_owned(),
            cuda_available: self.core.devices.list().iter().any(|device| device.kind == DeviceKind::Cuda),
            architectures: backbone::architectures().into_iter().map(str::to_owned).collect(),
            start_time,
            uptime: SystemTime::now().duration_since(start_time).unwrap_or(Duration::ZERO),
            queued_jobs: queued,
            running_jobs: jobs.len() as u64 - queued,
        })
    }

    pub async fn devices(&self) -> Result<Vec<DeviceView>> {
        let mut queued = Vec::new();
        for job in self.core.store.unfinished_jobs().await?.iter().filter(|job| job.state == JobState::Queued) {
            queued.push(self.core.store.model(job.spec.model()).await?.record.device);
        }
        let waiting = |name: &str| queued.iter().filter(|device| *device == name).count() as u64;
        Ok(self.core.devices.list().into_iter().map(|device| view(waiting(&device.name), device)).collect())
    }
}

fn view(queued_jobs: u64, device: DeviceInfo) -> DeviceView {
    let models = device.models.into_iter().map(|(version, bytes)| ResidentModel { version, bytes }).collect();
    DeviceView {
        description: match device.kind {
            DeviceKind::Cpu => "CPU".to_owned(),
            DeviceKind::Cuda => "CUDA".to_owned(),
        },
        name: device.name,
        total_bytes: device.total_bytes,
        budget_bytes: device.budget_bytes,
        used_bytes: device.used_bytes,
        available_bytes: device.available_bytes,
        models,
        running_job: device.running.and_then(|label| label.parse().ok()),
        queued_jobs,
    }
}
