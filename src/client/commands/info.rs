//! `unlearnctl info`

use crate::client::error::Result;
use crate::client::session::Session;
use crate::client::view::InfoView;
use crate::pb::v1::GetServerInfoRequest;

pub(super) async fn run(session: &Session) -> Result<()> {
    let info = session.system().get_server_info(GetServerInfoRequest {}).await?.into_inner();
    session.output.show(&InfoView::of(info))
}
