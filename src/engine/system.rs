//! The daemon and its devices.

use super::handle::{Engine, not_yet};
use super::views::{DeviceView, ServerInfo};
use crate::domain::Result;

impl Engine {
    pub async fn server_info(&self) -> Result<ServerInfo> {
        Err(not_yet("GetServerInfo"))
    }

    pub async fn devices(&self) -> Result<Vec<DeviceView>> {
        Err(not_yet("ListDevices"))
    }
}
