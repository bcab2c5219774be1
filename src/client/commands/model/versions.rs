//! `unlearnctl model versions`

use clap::Args;

use crate::client::error::Result;
use crate::client::names;
use crate::client::session::{PAGE_SIZE, Session};
use crate::client::view::{VersionList, VersionView};
use crate::pb::v1::ListModelVersionsRequest;

#[derive(Debug, Args)]
pub(crate) struct VersionsArgs {
    model: String,
}

pub(super) async fn run(session: &Session, args: &VersionsArgs) -> Result<()> {
    let mut versions = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListModelVersionsRequest { parent: names::model(&args.model), page_size: PAGE_SIZE, page_token };
        let page = session.models().list_model_versions(request).await?.into_inner();
        versions.extend(page.model_versions.iter().map(VersionView::of));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    session.output.show(&VersionList { versions })
}
