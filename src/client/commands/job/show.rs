//! `unlearnctl job show`

use super::JobArgs;
use crate::client::commands::submitted;
use crate::client::error::Result;
use crate::client::session::Session;
use crate::client::view::JobView;

pub(super) async fn run(session: &Session, args: &JobArgs) -> Result<()> {
    let job = submitted::get(session, &args.name()).await?;
    session.output.show(&JobView::of(&job))
}
