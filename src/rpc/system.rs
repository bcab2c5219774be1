//! `unlearnd.v1.SystemService`.

use tonic::{Request, Response, Status};

use super::context::answer;
use crate::engine::Engine;
use crate::pb::v1 as pb;
use crate::pb::v1::system_service_server::SystemService;

/// The daemon and its devices.
#[derive(Debug, Clone)]
pub(super) struct System(pub(super) Engine);

#[tonic::async_trait]
impl SystemService for System {
    async fn get_server_info(
        &self,
        request: Request<pb::GetServerInfoRequest>,
    ) -> Result<Response<pb::ServerInfo>, Status> {
        answer(request, |pb::GetServerInfoRequest {}| async move { Ok(self.0.server_info().await?.into()) }).await
    }

    async fn list_devices(
        &self,
        request: Request<pb::ListDevicesRequest>,
    ) -> Result<Response<pb::ListDevicesResponse>, Status> {
        answer(request, |pb::ListDevicesRequest {}| async move {
            let devices = self.0.devices().await?.into_iter().map(Into::into).collect();
            Ok(pb::ListDevicesResponse { devices })
        })
        .await
    }
}
