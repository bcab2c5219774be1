//! After a job was accepted: say so, or wait for it and show its result.

use clap::Args;

use crate::client::error::{Error, Result};
use crate::client::session::Session;
use crate::client::view::{Note, Outcome, reason};
use crate::client::watch;
use crate::client::words::Words;
use crate::pb::google::longrunning::Operation;
use crate::pb::v1::job::State;
use crate::pb::v1::{GetJobRequest, Job};

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct WaitArgs {
    /// Wait for the job and show its result; without it the job's name is printed at once.
    #[arg(long)]
    wait: bool,
}

/// Shows the job that an operation stands for, after its end if asked to wait.
pub(super) async fn show(session: &Session, operation: Operation, args: WaitArgs) -> Result<()> {
    if args.wait {
        return show_outcome(session, &operation.name).await;
    }
    let text = format!("{0} accepted\nwatch it: unlearnctl job watch {0}", operation.name);
    session.output.show(&Note::new(text).with("job", operation.name))
}

/// Waits for a job and shows its result; a job that ends otherwise, or unlearning that did not forget, is an error.
pub(super) async fn show_outcome(session: &Session, name: &str) -> Result<()> {
    watch::until_end(session, name).await?;
    let job = get(session, name).await?;
    check_succeeded(&job)?;
    let outcome = Outcome::of(&job).ok_or(Error::Incomplete("the job's result"))?;
    session.output.show(&outcome)?;
    if outcome.is_forgotten() { Ok(()) } else { Err(Error::NotForgotten { job: name.to_owned() }) }
}

pub(super) async fn get(session: &Session, name: &str) -> Result<Job> {
    let request = GetJobRequest { name: name.to_owned() };
    Ok(session.jobs().get_job(request).await?.into_inner())
}

pub(super) fn check_succeeded(job: &Job) -> Result<()> {
    if job.state() == State::Succeeded {
        return Ok(());
    }
    let error = job.error.clone().unwrap_or_default();
    Err(Error::Job {
        job: job.name.clone(),
        state: State::word_of(job.state),
        reason: reason(&error),
        message: if error.message.is_empty() { "no further reason is known".to_owned() } else { error.message },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_success_is_success() {
        for value in 0..=7 {
            let job = Job { name: "jobs/7".into(), state: value, ..Job::default() };
            assert_eq!(check_succeeded(&job).is_ok(), value == i32::from(State::Succeeded));
        }
    }
}
