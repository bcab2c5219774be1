//! Bytes of a device: what there is, what may be used, what is promised to whom.
//!
//! Running out of real memory kills the process, so nothing large starts without a reservation. A reservation is given back
//! when it is dropped. Figures are estimates above what tensors hold (allocators round up), hence a budget below the total.

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
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    used: u64,
    models: BTreeMap<VersionName, u64>,
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
    pub fn new(device: impl Into<String>, total: u64, budget: u64) -> Self {
        Self(Arc::new(Book { device: device.into(), total, budget, entries: Mutex::default() }))
    }

    /// Sets `bytes` aside for `purpose` (`loading models/m/versions/1`).
    ///
    /// # Errors
    /// `DEVICE_MEMORY` with the numbers when the budget has no room.
    pub fn reserve(&self, purpose: &str, bytes: u64) -> Result<Reservation> {
        let mut entries = self.entries();
        let free = self.0.budget.saturating_sub(entries.used);
        if bytes > free {
            return Err(self.no_room(purpose, bytes, free));
        }
        entries.used += bytes;
        Ok(Reservation { ledger: self.clone(), bytes, model: None })
    }

    pub fn free(&self) -> u64 {
        self.0.budget.saturating_sub(self.entries().used)
    }

    pub fn usage(&self) -> Usage {
        let entries = self.entries();
        Usage {
            total: self.0.total,
            budget: self.0.budget,
            used: entries.used,
            models: entries.models.iter().map(|(version, bytes)| (version.clone(), *bytes)).collect(),
        }
    }

    fn no_room(&self, purpose: &str, bytes: u64, free: u64) -> Error {
        let Book { device, budget, .. } = &*self.0;
        let message = format!(
            "{purpose} needs about {} on `{device}`, where {} of {} are free; unload a model or raise the memory budget",
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

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Bytes set aside; given back on drop.
#[derive(Debug)]
pub struct Reservation {
    ledger: Ledger,
    bytes: u64,
    model: Option<VersionName>,
}

impl Reservation {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Turns the estimate made before loading into what the resident version really holds.
    #[must_use]
    pub fn settle(mut self, version: VersionName, bytes: u64) -> Self {
        let mut entries = self.ledger.entries();
        entries.used = entries.used - self.bytes + bytes;
        entries.models.insert(version.clone(), bytes);
        drop(entries);
        self.bytes = bytes;
        self.model = Some(version);
        self
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut entries = self.ledger.entries();
        entries.used -= self.bytes;
        if let Some(version) = &self.model {
            entries.models.remove(version);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_come_back_and_settle() {
        let ledger = Ledger::new("cpu", 100, 80);
        let version: VersionName = "m/versions/1".parse().unwrap();
        let model = ledger.reserve("loading", 60).unwrap().settle(version.clone(), 30);
        assert_eq!((model.bytes(), ledger.free()), (30, 50));
        let scratch = ledger.reserve("training", 50).unwrap();
        assert_eq!(ledger.usage().models, [(version, 30)]);
        drop((model, scratch));
        assert_eq!(ledger.usage(), Usage { total: 100, budget: 80, used: 0, models: Vec::new() });
    }

    #[test]
    fn what_does_not_fit_is_refused_with_numbers() {
        let ledger = Ledger::new("cpu", 8 << 20, 4 << 20);
        let _held = ledger.reserve("loading `a`", 3 << 20).unwrap();
        let error = ledger.reserve("loading `b`", 2 << 20).unwrap_err();
        assert_eq!((error.kind, error.reason), (ErrorKind::ResourceExhausted, "DEVICE_MEMORY"));
        for part in ["loading `b`", "2.0 MiB", "1.0 MiB of 4.0 MiB", "`cpu`"] {
            assert!(error.message.contains(part), "{error}");
        }
    }
}
