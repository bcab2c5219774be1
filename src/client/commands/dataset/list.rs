//! `unlearnctl dataset list`

use crate::client::error::Result;
use crate::client::session::{PAGE_SIZE, Session};
use crate::client::view::{DatasetList, DatasetView};
use crate::pb::v1::ListDatasetsRequest;

pub(super) async fn run(session: &Session) -> Result<()> {
    let mut datasets = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListDatasetsRequest { page_size: PAGE_SIZE, page_token };
        let page = session.datasets().list_datasets(request).await?.into_inner();
        datasets.extend(page.datasets.iter().map(DatasetView::of));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    session.output.show(&DatasetList { datasets })
}
