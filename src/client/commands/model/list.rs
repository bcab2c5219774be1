//! `unlearnctl model list`

use crate::client::error::Result;
use crate::client::session::{PAGE_SIZE, Session};
use crate::client::view::{ModelList, ModelView};
use crate::pb::v1::ListModelsRequest;

pub(super) async fn run(session: &Session) -> Result<()> {
    let mut models = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListModelsRequest { page_size: PAGE_SIZE, page_token };
        let page = session.models().list_models(request).await?.into_inner();
        models.extend(page.models.iter().map(ModelView::of));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    session.output.show(&ModelList { models })
}
