//! `unlearnctl job wait`

use super::JobArgs;
use crate::client::commands::submitted;
use crate::client::error::Result;
use crate::client::session::Session;

pub(super) async fn run(session: &Session, args: &JobArgs) -> Result<()> {
    submitted::show_outcome(session, &args.name()).await
}
