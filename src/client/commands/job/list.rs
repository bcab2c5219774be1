//! `unlearnctl job list`

use clap::Args;

use crate::client::error::Result;
use crate::client::names;
use crate::client::session::{PAGE_SIZE, Session};
use crate::client::view::{JobList, JobView};
use crate::client::words::parser;
use crate::pb::v1::ListJobsRequest;
use crate::pb::v1::job::{Kind, State};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only jobs in this state; may be repeated.
    #[arg(long, value_parser = parser::<State>())]
    state: Vec<State>,
    /// Only jobs of this kind; may be repeated.
    #[arg(long, value_parser = parser::<Kind>())]
    kind: Vec<Kind>,
    /// Only jobs about this model.
    #[arg(long)]
    model: Option<String>,
    /// At most this many, newest first.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl ListArgs {
    fn request(&self, page_token: String) -> ListJobsRequest {
        ListJobsRequest {
            page_size: PAGE_SIZE.min(self.limit as i32),
            page_token,
            states: self.state.iter().map(|state| (*state).into()).collect(),
            kinds: self.kind.iter().map(|kind| (*kind).into()).collect(),
            model: self.model.as_deref().map(names::model).unwrap_or_default(),
        }
    }
}

pub(super) async fn run(session: &Session, args: &ListArgs) -> Result<()> {
    let mut jobs = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = session.jobs().list_jobs(args.request(page_token)).await?.into_inner();
        jobs.extend(page.jobs.iter().map(JobView::of));
        page_token = page.next_page_token;
        if page_token.is_empty() || jobs.len() >= args.limit {
            break;
        }
    }
    jobs.truncate(args.limit);
    session.output.show(&JobList { jobs })
}
