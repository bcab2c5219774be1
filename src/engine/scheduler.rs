//! Which job runs next: the most urgent, clients in turn; one batch job a device, one training job a model.

mod pick;
#[cfg(test)]
mod tests;

pub(super) use pick::{Busy, Candidate, Rules, Turns, pick_next};

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use super::core::Core;
use super::handle::Engine;
use super::runner;
use crate::domain::Result;
use crate::domain::ids::JobId;
use crate::domain::job::{Job, JobState};

/// Beyond so many waiting jobs nobody is told a place: finding it takes a look at every pair.
const MOST_PLACED: usize = 2000;
/// How soon a job that waits for memory is looked at again.
const MEMORY_PERIOD: Duration = Duration::from_millis(500);
/// How soon the store is asked again that could not say what waits, or not take that a job starts: its disk may be full.
const STORE_PERIOD: Duration = Duration::from_secs(2);

/// Starts jobs until the engine stops.
pub(super) async fn run(core: Arc<Core>) {
    loop {
        let again = start_all(&core).await.unwrap_or_else(|error| {
            tracing::error!(error = %error, "the waiting jobs could not be started");
            Some(STORE_PERIOD)
        });
        tokio::select! {
            () = core.wake.notified() => {}
            () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => {}
            () = core.stopping.cancelled() => return,
        }
    }
}

/// Starts every job that can run now; when to look again, if not only at the next event.
async fn start_all(core: &Arc<Core>) -> Result<Option<Duration>> {
    let Survey { mut jobs, mut waiting, mut busy } = survey(core).await?;
    while let Some(index) = next(core, &waiting, &busy) {
        let (job, candidate) = (jobs.remove(index), waiting.remove(index));
        if Box::pin(runner::start(core, job)).await? {
            core.turns.lock().unwrap_or_else(PoisonError::into_inner).take(&candidate, SystemTime::now());
            busy.devices.insert(candidate.device);
            busy.training.extend(candidate.trains);
        }
    }
    Ok(waiting.iter().any(|candidate| busy.lacks_memory(candidate)).then_some(MEMORY_PERIOD))
}

fn next(core: &Core, waiting: &[Candidate], busy: &Busy) -> Option<usize> {
    let turns = core.turns.lock().unwrap_or_else(PoisonError::into_inner);
    pick_next(waiting, busy, &turns, rules(core))
}

fn rules(core: &Core) -> Rules {
    Rules { now: SystemTime::now(), starvation: core.options.starvation }
}

/// The queued jobs, oldest first, and what the others hold.
struct Survey {
    jobs: Vec<Job>,
    waiting: Vec<Candidate>,
    busy: Busy,
}

async fn survey(core: &Core) -> Result<Survey> {
    let (mut jobs, mut waiting, mut busy) = (Vec::new(), Vec::new(), Busy::default());
    busy.memory = core.devices.list().into_iter().map(|device| (device.name, device.available_bytes)).collect();
    for job in core.store.unfinished_jobs().await? {
        let device = core.store.model(job.spec.model()).await?.record.device;
        let trains = job.spec.trains().cloned();
        match job.state {
            JobState::Queued => {
                waiting.push(Candidate {
                    job: job.id.clone(),
                    device,
                    trains,
                    priority: job.priority,
                    client: job.client.clone(),
                    create_time: job.create_time,
                    memory_bytes: job.memory_bytes,
                });
                jobs.push(job);
            }
            JobState::Running | JobState::Cancelling | JobState::Interrupted => {
                busy.devices.insert(device);
                busy.training.extend(trains);
            }
            JobState::Succeeded | JobState::Failed | JobState::Cancelled => {}
        }
    }
    Ok(Survey { jobs, waiting, busy })
}

impl Engine {
    /// Of each waiting job, how many its device starts up to and including it, as things stand.
    pub async fn queue_places(&self) -> Result<BTreeMap<JobId, u32>> {
        let core = &self.core;
        let Survey { waiting, .. } = survey(core).await?;
        if waiting.len() > MOST_PLACED {
            return Ok(BTreeMap::new());
        }
        let turns = core.turns.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(pick::places(waiting, turns, rules(core)))
    }
}
