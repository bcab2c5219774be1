//! Which job runs next: first in, first out, one batch job a device, one training job a model.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::core::Core;
use super::runner;
use crate::domain::Result;
use crate::domain::ids::{JobId, ModelId};
use crate::domain::job::{Job, JobState};

/// A waiting job and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) job: JobId,
    pub(super) device: String,
    /// The model whose training slot it takes.
    pub(super) trains: Option<ModelId>,
}

/// What running jobs hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Busy {
    pub(super) devices: BTreeSet<String>,
    pub(super) training: BTreeSet<ModelId>,
}

/// The first of `waiting` (oldest first) that can run beside what is `busy`.
pub(super) fn pick_next(waiting: &[Candidate], busy: &Busy) -> Option<usize> {
    waiting.iter().position(|candidate| {
        let model_is_free = candidate.trains.as_ref().is_none_or(|model| !busy.training.contains(model));
        model_is_free && !busy.devices.contains(&candidate.device)
    })
}

/// Starts jobs until the engine stops.
pub(super) async fn run(core: Arc<Core>) {
    loop {
        if let Err(error) = start_all(&core).await {
            tracing::error!(error = %error, "the waiting jobs could not be read");
        }
        tokio::select! {
            () = core.wake.notified() => {}
            () = core.stopping.cancelled() => return,
        }
    }
}

/// Starts every job that can run now.
async fn start_all(core: &Arc<Core>) -> Result<()> {
    let (mut jobs, mut waiting, mut busy) = survey(core).await?;
    while let Some(index) = pick_next(&waiting, &busy) {
        let (job, candidate) = (jobs.remove(index), waiting.remove(index));
        if Box::pin(runner::start(core, job)).await {
            busy.devices.insert(candidate.device);
            busy.training.extend(candidate.trains);
        }
    }
    Ok(())
}

/// The queued jobs, oldest first, and what the others hold.
async fn survey(core: &Core) -> Result<(Vec<Job>, Vec<Candidate>, Busy)> {
    let (mut jobs, mut waiting, mut busy) = (Vec::new(), Vec::new(), Busy::default());
    for job in core.store.unfinished_jobs().await? {
        let device = core.store.model(job.spec.model()).await?.record.device;
        let trains = job.spec.trains().cloned();
        match job.state {
            JobState::Queued => {
                waiting.push(Candidate { job: job.id.clone(), device, trains });
                jobs.push(job);
            }
            JobState::Running | JobState::Cancelling | JobState::Interrupted => {
                busy.devices.insert(device);
                busy.training.extend(trains);
            }
            JobState::Succeeded | JobState::Failed | JobState::Cancelled => {}
        }
    }
    Ok((jobs, waiting, busy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(job: &str, device: &str, trains: Option<&str>) -> Candidate {
        let trains = trains.map(|model| model.parse().unwrap());
        Candidate { job: job.parse().unwrap(), device: device.into(), trains }
    }

    fn order(mut waiting: Vec<Candidate>, busy: &Busy) -> Vec<String> {
        let mut order = Vec::new();
        while let Some(index) = pick_next(&waiting, busy) {
            order.push(waiting.remove(index).job.id().to_owned());
        }
        order
    }

    #[test]
    fn first_in_is_first_out() {
        let waiting = vec![candidate("a", "cpu", Some("m")), candidate("b", "cpu", None), candidate("c", "cpu", None)];
        assert_eq!(order(waiting, &Busy::default()), ["a", "b", "c"]);
    }

    #[test]
    fn a_busy_device_holds_up_its_own_jobs_only() {
        let waiting = vec![candidate("a", "cpu", None), candidate("b", "cuda:0", None)];
        let busy = Busy { devices: ["cpu".to_owned()].into(), ..Busy::default() };
        assert_eq!(order(waiting, &busy), ["b"]);
    }

    #[test]
    fn a_model_is_trained_by_one_job_at_a_time() {
        let waiting =
            vec![candidate("a", "cpu", Some("m")), candidate("b", "cpu", None), candidate("c", "cpu", Some("n"))];
        let busy = Busy { training: ["m".parse().unwrap()].into(), ..Busy::default() };
        assert_eq!(order(waiting, &busy), ["b", "c"]);
    }
}
