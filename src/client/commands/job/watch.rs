//! `unlearnctl job watch`: every event on a line of its own, then success or failure as the job's.

use clap::Args;

use super::JobArgs;
use crate::client::commands::submitted;
use crate::client::error::Result;
use crate::client::session::Session;
use crate::client::view::EventView;
use crate::client::watch;
use crate::pb::v1::job_event::Body;

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Start after this sequence number.
    #[arg(long, default_value_t = 0, value_name = "SEQUENCE")]
    after: i64,
}

pub(super) async fn run(session: &Session, args: &WatchArgs) -> Result<()> {
    let name = args.job.name();
    watch::follow(session, &name, args.after, |event| match EventView::of(&name, event) {
        Some(view) if !matches!(event.body, Some(Body::Heartbeat(_))) => session.output.show(&view),
        Some(_) | None => Ok(()),
    })
    .await?;
    submitted::check_succeeded(&submitted::get(session, &name).await?)
}
