//! The daemon and its devices.

use serde::Serialize;

use super::{View, rfc3339, some};
use crate::client::{names, table};
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct InfoView {
    pub(crate) version: String,
    pub(crate) client_version: &'static str,
    pub(crate) torch_version: String,
    pub(crate) start_time: Option<String>,
    pub(crate) architectures: Vec<String>,
    pub(crate) active_job_count: i64,
}

impl InfoView {
    pub(crate) fn of(info: v1::ServerInfo) -> Self {
        let v1::ServerInfo { version, start_time, architectures, torch_version, active_job_count } = info;
        Self {
            version,
            client_version: env!("CARGO_PKG_VERSION"),
            torch_version,
            start_time: rfc3339(start_time.as_ref()),
            architectures,
            active_job_count,
        }
    }
}

impl View for InfoView {
    fn text(&self) -> String {
        table::pairs(&[
            ("unlearnd", self.version.clone()),
            ("unlearnctl", self.client_version.to_owned()),
            ("libtorch", self.torch_version.clone()),
            ("since", table::time(self.start_time.as_deref())),
            ("jobs", format!("{} queued or running", self.active_job_count)),
            ("architectures", self.architectures.join(", ")),
        ])
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct DeviceList {
    pub(crate) devices: Vec<DeviceView>,
}

#[derive(Debug, Serialize)]
pub(crate) struct DeviceView {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) total_bytes: u64,
    pub(crate) budget_bytes: u64,
    pub(crate) used_bytes: u64,
    pub(crate) available_bytes: u64,
    pub(crate) resident_versions: Vec<ResidentView>,
    pub(crate) running_job: Option<String>,
    pub(crate) queued_job_count: i64,
}

#[derive(Debug, Serialize)]
pub(crate) struct ResidentView {
    pub(crate) version: String,
    pub(crate) bytes: u64,
}

impl DeviceList {
    pub(crate) fn of(answer: v1::ListDevicesResponse) -> Self {
        Self { devices: answer.devices.into_iter().map(DeviceView::of).collect() }
    }
}

impl DeviceView {
    fn of(device: v1::Device) -> Self {
        let resident = |entry: v1::device::ResidentVersion| ResidentView { version: entry.version, bytes: entry.bytes };
        Self {
            running_job: some(&device.running_job),
            name: device.name,
            description: device.description,
            total_bytes: device.total_bytes,
            budget_bytes: device.budget_bytes,
            used_bytes: device.used_bytes,
            available_bytes: device.available_bytes,
            resident_versions: device.resident_versions.into_iter().map(resident).collect(),
            queued_job_count: device.queued_job_count,
        }
    }

    fn resident_text(&self) -> String {
        let entries = self.resident_versions.iter();
        let entries = entries.map(|entry| format!("{} {}", names::short(&entry.version), table::bytes(entry.bytes)));
        entries.collect::<Vec<_>>().join(", ")
    }
}

impl View for DeviceList {
    fn text(&self) -> String {
        let mut table =
            table::new(&["device", "description", "used", "budget", "total", "running", "queued", "in memory"]);
        for device in &self.devices {
            table.add_row([
                device.name.clone(),
                device.description.clone(),
                table::bytes(device.used_bytes),
                table::bytes(device.budget_bytes),
                table::bytes(device.total_bytes),
                device.running_job.as_deref().map_or(table::ABSENT, names::id).to_owned(),
                device.queued_job_count.to_string(),
                device.resident_text(),
            ]);
        }
        table::text(&table)
    }
}
