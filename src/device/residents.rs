//! What lives on one device thread: the resident model versions, their bytes, and scratch that work shares.

use std::path::PathBuf;

use tch::Device;

use crate::domain::ids::VersionName;
use crate::domain::model::ModelSpec;

use super::ledger::Ledger;
use super::work::{Loaded, Unloaded};
use crate::domain::{Error, Result};

/// A stored version, so that it can be loaded when it is not resident.
#[derive(Debug, Clone)]
pub struct ModelSource {
    pub version: VersionName,
    pub path: PathBuf,
    pub spec: ModelSpec,
    /// SHA-256 of the file, checked on loading and the key of cached activations; empty: not known yet.
    pub sha256: String,
}

/// Everything a device thread owns. It never leaves the thread.
#[derive(Debug)]
pub struct Residents {
    device: Device,
    ledger: Ledger,
}

impl Residents {
    pub(super) fn new(device: Device, ledger: Ledger) -> Self {
        Self { device, ledger }
    }

    pub fn device(&self) -> Device {
        self.device
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(super) fn load(&mut self, source: &ModelSource) -> Result<Loaded> {
        Err(Error::internal(format!("not built yet: {}", source.version)))
    }

    pub(super) fn unload(&mut self, version: &VersionName) -> Result<Unloaded> {
        Err(Error::internal(format!("not built yet: {version}")))
    }

    /// Gives memory that the allocators keep back to the system.
    pub(super) fn trim(&self) {}
}
