//! `unlearnctl concepts list`

use crate::client::error::Result;
use crate::client::session::{PAGE_SIZE, Session};
use crate::client::view::{ConceptBankList, ConceptBankView};
use crate::pb::v1::ListConceptBanksRequest;

pub(super) async fn run(session: &Session) -> Result<()> {
    let mut concept_banks = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListConceptBanksRequest { page_size: PAGE_SIZE, page_token };
        let page = session.concepts().list_concept_banks(request).await?.into_inner();
        concept_banks.extend(page.concept_banks.iter().map(|bank| ConceptBankView::of(None, bank)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    session.output.show(&ConceptBankList { concept_banks })
}
