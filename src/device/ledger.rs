//! Bytes of a device: what there is, what may be used, what is promised to whom.
//!
//! Running out of real memory kills the process, so nothing large starts without a reservation. A reservation is given back
//! when it is dropped. It has two parts: what work keeps between its steps, which adds up, and what it needs within a step. Only one
//! step at a time runs on a device, so of the second part the largest counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::ids::VersionName;
use crate::domain::{Error, ErrorKind, Result};

/// Shared by the device thread, which changes it, and the handles, which look.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Book>);

#[derive(Debug)]
struct Book {
    device: String,
    total: u64,
    budget: u64,
    /// Whether versions that a client loaded make room when they are idle.
    evicts_pinned: bool,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    kept: u64,
    /// Bytes within a step, and how many reservations ask for them.
    scratch: BTreeMap<u64, usize>,
    models: BTreeMap<VersionName, Held>,
}

impl Entries {
    fn scratch(&self) -> u64 {
        self.scratch.last_key_value().map_or(0, |(bytes, _)| *bytes)
    }

    fn used(&self) -> u64 {
        self.kept + self.scratch()
    }

    /// What would be used with `need` as well.
    fn with(&self, need: Need) -> u64 {
        self.kept.saturating_add(need.kept).saturating_add(self.scratch().max(need.scratch))
    }

    fn forget_scratch(&mut self, bytes: u64) {
        if let Some(count) = self.scratch.get_mut(&bytes) {
            *count -= 1;
            if *count == 0 {
                self.scratch.remove(&bytes);
            }
        }
    }
}

/// A resident version's bytes, those of its copies for attribution, and whether a client loaded it.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    own: u64,
    copies: u64,
    pinned: bool,
}

/// What work asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// From its start to its end.
    pub kept: u64,
    /// Within a step at most.
    pub scratch: u64,
}

impl Need {
    pub fn kept(bytes: u64) -> Self {
        Self { kept: bytes, scratch: 0 }
    }

    pub fn total(self) -> u64 {
        self.kept.saturating_add(self.scratch)
    }
}

impl From<u64> for Need {
    fn from(bytes: u64) -> Self {
        Self::kept(bytes)
    }
}

/// A reading of the ledger, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    pub total: u64,
    pub budget: u64,
    pub used: u64,
    /// Resident versions, by name.
    pub models: Vec<(VersionName, u64)>,
}

impl Ledger {
    pub fn new(device: impl Into<String>, total: u64, budget: u64, evicts_pinned: bool) -> Self {
        let (device, entries) = (device.into(), Mutex::default());
        Self(Arc::new(Book { device, total, budget, evicts_pinned, entries }))
    }

    pub fn evicts_pinned(&self) -> bool {
        self.0.evicts_pinned
    }

    /// Sets what `purpose` (`loading models/m/versions/1`) needs aside.
    ///
    /// # Errors
    /// `DEVICE_MEMORY` with the numbers when the budget has no room.
    pub fn reserve(&self, purpose: &str, need: Need) -> Result<Reservation> {
        let mut entries = self.entries();
        if entries.with(need) > self.0.budget {
            let free = self.0.budget.saturating_sub(entries.used());
            return Err(self.no_room(purpose, need.total(), free));
        }
        entries.kept += need.kept;
        *entries.scratch.entry(need.scratch).or_default() += 1;
        Ok(Reservation { ledger: self.clone(), need, model: None })
    }

    pub fn fits(&self, need: Need) -> bool {
        self.entries().with(need) <= self.0.budget
    }

    pub fn free(&self) -> u64 {
        self.0.budget.saturating_sub(self.entries().used())
    }

    /// What work can have when everything else has ended: all but the versions that stay.
    pub fn at_best(&self) -> u64 {
        let stays = |held: &&Held| held.pinned && !self.0.evicts_pinned;
        let staying: u64 = self.entries().models.values().filter(stays).map(|held| held.own).sum();
        self.0.budget.saturating_sub(staying)
    }

    /// What work can have now: what is free and what idle versions and copies would give back.
    pub fn now(&self) -> u64 {
        let entries = self.entries();
        let goes =
            |held: &Held| if held.pinned && !self.0.evicts_pinned { held.copies } else { held.own + held.copies };
        let going: u64 = entries.models.values().map(goes).sum();
        self.0.budget.saturating_sub(entries.kept.saturating_sub(going))
    }

    /// The version stays until a client unloads it, or until it is idle where such make room.
    pub(super) fn pin(&self, version: &VersionName) {
        if let Some(held) = self.entries().models.get_mut(version) {
            held.pinned = true;
        }
    }

    pub fn usage(&self) -> Usage {
        let entries = self.entries();
        Usage {
            total: self.0.total,
            budget: self.0.budget,
            used: entries.used(),
            models: entries.models.iter().map(|(version, held)| (version.clone(), held.own + held.copies)).collect(),
        }
    }

    fn no_room(&self, purpose: &str, bytes: u64, free: u64) -> Error {
        let Book { device, budget, .. } = &*self.0;
        let remedy = match self.0.evicts_pinned {
            true => "wait for running work to end",
            false => "unload a model, or let idle ones make room (evict_idle_models = true)",
        };
        let message = format!(
            "{purpose} needs about {} on `{device}`, where {} of {} are free; {remedy}, or raise limits.device_memory_bytes",
            mebibytes(bytes),
            mebibytes(free),
            mebibytes(*budget),
        );
        Error::new(ErrorKind::ResourceExhausted, "DEVICE_MEMORY", message)
            .with_resource("device", format!("devices/{device}"))
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Bytes set aside; given back on drop.
#[derive(Debug)]
pub struct Reservation {
    ledger: Ledger,
    need: Need,
    model: Option<(VersionName, Part)>,
}

/// Whose bytes of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Own,
    Copy,
}

impl Held {
    fn part(&mut self, part: Part) -> &mut u64 {
        match part {
            Part::Own => &mut self.own,
            Part::Copy => &mut self.copies,
        }
    }
}

impl Reservation {
    pub fn bytes(&self) -> u64 {
        self.need.total()
    }

    /// Turns the estimate made before loading into what the resident version, or a copy of it, really holds.
    #[must_use]
    pub fn settle(mut self, version: VersionName, part: Part, bytes: u64) -> Self {
        let mut entries = self.ledger.entries();
        entries.kept = entries.kept - self.need.kept + bytes;
        entries.forget_scratch(self.need.scratch);
        *entries.scratch.entry(0).or_default() += 1;
        *entries.models.entry(version.clone()).or_default().part(part) += bytes;
        drop(entries);
        self.need = Need::kept(bytes);
        self.model = Some((version, part));
        self
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut entries = self.ledger.entries();
        entries.kept -= self.need.kept;
        entries.forget_scratch(self.need.scratch);
        let Some((version, part)) = &self.model else { return };
        if let Some(held) = entries.models.get_mut(version) {
            *held.part(*part) -= self.need.kept;
            if held.own + held.copies == 0 {
                entries.models.remove(version);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(kept: u64, scratch: u64) -> Need {
        Need { kept, scratch }
    }

    #[test]
    fn reservations_come_back_and_settle() {
        let ledger = Ledger::new("cpu", 100, 80, false);
        let version: VersionName = "m/versions/1".parse().unwrap();
        let model = ledger.reserve("loading", need(60, 0)).unwrap().settle(version.clone(), Part::Own, 30);
        assert_eq!((model.bytes(), ledger.free()), (30, 50));
        let copy = ledger.reserve("attributing", need(5, 0)).unwrap().settle(version.clone(), Part::Copy, 5);
        let work = ledger.reserve("training", need(45, 0)).unwrap();
        assert_eq!(ledger.usage().models, [(version, 35)]);
        drop((model, work, copy));
        assert_eq!(ledger.usage(), Usage { total: 100, budget: 80, used: 0, models: Vec::new() });
    }

    #[test]
    fn of_what_steps_need_the_largest_counts() {
        let ledger = Ledger::new("cpu", 100, 80, false);
        let job = ledger.reserve("training", need(20, 40)).unwrap();
        let call = ledger.reserve("attributing", need(10, 30)).unwrap();
        assert_eq!(ledger.usage().used, 70);
        assert!(ledger.reserve("more", need(0, 51)).is_err() && ledger.reserve("more", need(11, 0)).is_err());
        drop(job);
        assert_eq!(ledger.usage().used, 40);
        let same = ledger.reserve("attributing", need(0, 30)).unwrap();
        drop(call);
        assert_eq!(ledger.usage().used, 30);
        drop(same);
        assert_eq!(ledger.usage().used, 0);
    }

    #[test]
    fn what_may_be_had_depends_on_what_stays() {
        for (evicts_pinned, at_best, now) in [(false, 70, 42), (true, 100, 72)] {
            let ledger = Ledger::new("cpu", 100, 100, evicts_pinned);
            let load = |id: &str, part, bytes| {
                let version = format!("{id}/versions/1").parse().unwrap();
                ledger.reserve("loading", Need::kept(bytes)).unwrap().settle(version, part, bytes)
            };
            let _held = [load("pinned", Part::Own, 30), load("pinned", Part::Copy, 10), load("idle", Part::Own, 5)];
            ledger.pin(&"pinned/versions/1".parse().unwrap());
            let _work = ledger.reserve("training", Need { kept: 28, scratch: 5 }).unwrap();
            assert_eq!((ledger.at_best(), ledger.now()), (at_best, now), "{evicts_pinned}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_numbers_and_the_way_out() {
        let ledger = Ledger::new("cpu", 8 << 20, 4 << 20, false);
        let _held = ledger.reserve("loading `a`", Need::kept(3 << 20)).unwrap();
        let error = ledger.reserve("loading `b`", Need::kept(2 << 20)).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::ResourceExhausted, "DEVICE_MEMORY"));
        for part in ["loading `b`", "2.0 MiB", "1.0 MiB of 4.0 MiB", "`cpu`", "evict_idle_models"] {
            assert!(error.message.contains(part), "{error}");
        }
        assert_eq!(error.resource, Some(("device".to_owned(), "devices/cpu".to_owned())));
    }
}
