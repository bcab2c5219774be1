//! `unlearnctl dataset show`

use clap::Args;

use crate::client::error::Result;
use crate::client::names;
use crate::client::session::Session;
use crate::client::view::DatasetView;
use crate::pb::v1::GetDatasetRequest;

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    name: String,
}

pub(super) async fn run(session: &Session, args: &ShowArgs) -> Result<()> {
    let request = GetDatasetRequest { name: names::dataset(&args.name) };
    let dataset = session.datasets().get_dataset(request).await?.into_inner();
    session.output.show(&DatasetView::of(&dataset))
}
