//! The choice among waiting jobs. Pure.
//!
//! The highest priority goes first. Within a priority clients take turns on each device: first the client whose last turn was longest
//! ago, where a client that had none counts from the creation of its job, so that a new name does not overtake those who wait. Within
//! a client first in is first out. A job is raised by one priority for each starvation time it has waited. Hence every job is started:
//! it becomes HIGH, and then between two turns of its client every other client has one at most.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use crate::domain::ids::{JobId, ModelId};
use crate::domain::submission::Priority;

/// A waiting job and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Candidate {
    pub(in crate::engine) job: JobId,
    pub(in crate::engine) device: String,
    /// The model whose training slot it takes.
    pub(in crate::engine) trains: Option<ModelId>,
    pub(in crate::engine) priority: Priority,
    pub(in crate::engine) client: String,
    pub(in crate::engine) create_time: SystemTime,
    /// Device memory it needs; 0: not known.
    pub(in crate::engine) memory_bytes: u64,
}

/// What running jobs hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine) struct Busy {
    pub(in crate::engine) devices: BTreeSet<String>,
    pub(in crate::engine) training: BTreeSet<ModelId>,
    /// Memory that a job can have now, by device; a device that is not in here has enough.
    pub(in crate::engine) memory: BTreeMap<String, u64>,
}

impl Busy {
    fn admits(&self, candidate: &Candidate) -> bool {
        let model_is_free = candidate.trains.as_ref().is_none_or(|model| !self.training.contains(model));
        model_is_free && !self.devices.contains(&candidate.device) && !self.lacks_memory(candidate)
    }

    /// Whether memory that is in use now, such as by a model loaded meanwhile, holds the candidate up.
    pub(in crate::engine) fn lacks_memory(&self, candidate: &Candidate) -> bool {
        self.memory.get(&candidate.device).is_some_and(|memory| candidate.memory_bytes > *memory)
    }
}

/// When a job of each client was last started, by device. A restart forgets it, which costs nobody more than a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine) struct Turns(BTreeMap<String, BTreeMap<String, SystemTime>>);

/// Clients remembered for each device; the longest unserved are forgotten first.
const MOST_CLIENTS: usize = 10_000;

impl Turns {
    pub(in crate::engine) fn take(&mut self, candidate: &Candidate, now: SystemTime) {
        let clients = self.0.entry(candidate.device.clone()).or_default();
        clients.insert(candidate.client.clone(), now);
        if clients.len() > MOST_CLIENTS
            && let Some(oldest) = clients.iter().min_by_key(|(_, last)| **last).map(|(client, _)| client.clone())
        {
            clients.remove(&oldest);
        }
    }

    /// What a candidate's client is ordered by.
    fn last(&self, candidate: &Candidate) -> SystemTime {
        let last = self.0.get(&candidate.device).and_then(|clients| clients.get(&candidate.client));
        last.copied().unwrap_or(candidate.create_time)
    }
}

/// What the choice depends on beside the queue.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Rules {
    pub(in crate::engine) now: SystemTime,
    /// Waiting this long raises a job by one priority.
    pub(in crate::engine) starvation: Duration,
}

impl Rules {
    pub(in crate::engine) fn level(self, candidate: &Candidate) -> Priority {
        let waited = self.now.duration_since(candidate.create_time).unwrap_or(Duration::ZERO);
        let levels = waited.as_nanos() / self.starvation.as_nanos().max(1);
        candidate.priority.raised(u64::try_from(levels).unwrap_or(u64::MAX))
    }
}

/// The one of `waiting` (oldest first) that is started next beside what is `busy`.
pub(in crate::engine) fn pick_next(waiting: &[Candidate], busy: &Busy, turns: &Turns, rules: Rules) -> Option<usize> {
    let able = waiting.iter().enumerate().filter(|(_, candidate)| busy.admits(candidate));
    let first = able.min_by_key(|(index, candidate)| {
        (Reverse(rules.level(candidate)), turns.last(candidate), candidate.create_time, *index)
    });
    first.map(|(index, _)| index)
}

/// In which order each device would start its jobs, from 1.
pub(super) fn places(mut waiting: Vec<Candidate>, mut turns: Turns, mut rules: Rules) -> BTreeMap<JobId, u32> {
    let (mut places, mut started) = (BTreeMap::new(), BTreeMap::<String, u32>::new());
    while let Some(index) = pick_next(&waiting, &Busy::default(), &turns, rules) {
        let candidate = waiting.remove(index);
        turns.take(&candidate, rules.now);
        rules.now += Duration::from_nanos(1);
        let place = started.entry(candidate.device).or_default();
        *place += 1;
        places.insert(candidate.job, *place);
    }
    places
}
