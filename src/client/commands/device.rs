//! `unlearnctl device list`

use clap::Subcommand;

use crate::client::error::Result;
use crate::client::session::Session;
use crate::client::view::DeviceList;
use crate::pb::v1::ListDevicesRequest;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Every device with its memory and jobs.
    List,
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::List => list(session).await,
    }
}

async fn list(session: &Session) -> Result<()> {
    let answer = session.system().list_devices(ListDevicesRequest {}).await?.into_inner();
    session.output.show(&DeviceList::of(answer))
}
