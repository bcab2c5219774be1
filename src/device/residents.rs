//! What lives on one device thread: the resident model versions, their bytes, and scratch that work shares.
//!
//! A version is leased by cloning its `Rc`; leased versions are never freed. Versions that work brought in by itself make room
//! for others when idle, the longest unused first; those that a client loaded stay until they are unloaded, or, where the daemon is
//! configured so (`evict_idle_models`), until they are idle and in the way. What was freed is loaded again when it is used.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use tch::Device;

use crate::domain::finetune::Precision;
use crate::domain::ids::VersionName;
use crate::domain::model::{ModelFormat, ModelSpec};
use crate::domain::{Error, ErrorKind, Result};
use crate::ml::activations::ActivationCache;
use crate::ml::backbone::{Backbone, Differentiable};
use crate::ml::language::Language;
use crate::ml::{files, torch};

use super::demand::Footprints;
use super::ledger::{Ledger, Need, Part, Reservation};

/// A stored version, so that it can be loaded when it is not resident.
#[derive(Debug, Clone)]
pub struct ModelSource {
    pub version: VersionName,
    pub path: PathBuf,
    pub spec: ModelSpec,
    /// SHA-256 of the file in lower-case hexadecimal, checked on loading; empty: not known.
    pub sha256: String,
    /// The file is an adapter beside the weights of this version.
    pub base: Option<Box<ModelSource>>,
}

/// Everything a device thread owns. It never leaves the thread.
#[derive(Debug)]
pub struct Residents {
    device: Device,
    ledger: Ledger,
    models: BTreeMap<VersionName, Resident>,
    /// Shared with the other device threads.
    cache: ActivationCache,
    /// What passes through models take, as far as measured.
    footprints: Footprints,
    /// Counts leases; orders residents by their last use.
    clock: u64,
}

/// What a version is in memory.
#[derive(Debug, Clone)]
pub(super) enum Network {
    Images(Rc<Backbone>),
    Text(Rc<Language>),
}

impl Network {
    pub(super) fn spec(&self) -> &ModelSpec {
        match self {
            Self::Images(backbone) => backbone.spec(),
            Self::Text(language) => language.spec(),
        }
    }

    pub(super) fn parameter_count(&self) -> u64 {
        match self {
            Self::Images(backbone) => backbone.parameter_count(),
            Self::Text(language) => language.parameter_count(),
        }
    }

    pub(super) fn byte_size(&self) -> u64 {
        match self {
            Self::Images(backbone) => backbone.byte_size(),
            Self::Text(language) => language.byte_size(),
        }
    }

    fn is_leased(&self) -> bool {
        match self {
            Self::Images(backbone) => Rc::strong_count(backbone) > 1,
            Self::Text(language) => Rc::strong_count(language) > 1,
        }
    }
}

#[derive(Debug)]
struct Resident {
    network: Network,
    reservation: Reservation,
    /// Loaded by a client, to stay.
    pinned: bool,
    last_use: u64,
    /// Copies for attribution, made on first use; they go with the version, or when they are in the way and idle.
    copies: Vec<Copy>,
}

#[derive(Debug)]
struct Copy {
    precision: Precision,
    model: Rc<Differentiable>,
    /// Of the weights, and of the working memory that it keeps.
    reservations: Vec<Reservation>,
    /// Working memory reserved.
    workspace: u64,
}

impl Copy {
    fn is_leased(&self) -> bool {
        Rc::strong_count(&self.model) > 1
    }

    fn bytes(&self) -> u64 {
        self.reservations.iter().map(Reservation::bytes).sum()
    }
}

impl Resident {
    fn is_leased(&self) -> bool {
        self.network.is_leased() || self.copies.iter().any(Copy::is_leased)
    }

    fn bytes(&self) -> u64 {
        self.reservation.bytes() + self.copies.iter().map(Copy::bytes).sum::<u64>()
    }
}

impl Residents {
    pub(super) fn new(device: Device, ledger: Ledger, cache: ActivationCache) -> Self {
        Self { device, ledger, models: BTreeMap::new(), cache, footprints: Footprints::default(), clock: 0 }
    }

    pub fn device(&self) -> Device {
        self.device
    }

    /// Activations of frozen prefixes, in files.
    pub fn cache(&self) -> &ActivationCache {
        &self.cache
    }

    /// The version, loaded now if it is not resident. It stays while the clone lives.
    ///
    /// # Errors
    /// `DEVICE_MEMORY` before reading, `WEIGHTS_UNREADABLE`, `WEIGHTS_CORRUPT`, and what `Backbone::load` refuses;
    /// `MODEL_TAKES_TEXT` for a language model.
    pub fn lease(&mut self, source: &ModelSource) -> Result<Rc<Backbone>> {
        source.spec.check_takes_images()?;
        match self.network(source)? {
            Network::Images(backbone) => Ok(backbone),
            Network::Text(language) => {
                Err(Error::internal(format!("{} takes no images", language.spec().architecture)))
            }
        }
    }

    /// As `lease`, for language models.
    ///
    /// # Errors
    /// As `lease`, and what `Language::load` refuses; `MODEL_TAKES_IMAGES` for a model of images.
    pub fn lease_language(&mut self, source: &ModelSource) -> Result<Rc<Language>> {
        source.spec.check_takes_text()?;
        match self.network(source)? {
            Network::Text(language) => Ok(language),
            Network::Images(backbone) => {
                Err(Error::internal(format!("{} takes no text", backbone.spec().architecture)))
            }
        }
    }

    fn network(&mut self, source: &ModelSource) -> Result<Network> {
        self.clock += 1;
        let clock = self.clock;
        if !self.models.contains_key(&source.version) {
            let resident = self.read(source)?;
            self.models.insert(source.version.clone(), resident);
        }
        let resident = self.models.get_mut(&source.version).expect("inserted above");
        resident.last_use = clock;
        Ok(resident.network.clone())
    }

    /// The version's copy for gradients by the input, made now if there is none yet.
    ///
    /// # Errors
    /// As `lease`; `PRECISION_UNSUPPORTED`.
    pub fn differentiable(&mut self, source: &ModelSource, precision: Precision) -> Result<Rc<Differentiable>> {
        let backbone = self.lease(source)?;
        let copies = self.models.get(&source.version).map_or(&[][..], |resident| &resident.copies);
        if let Some(copy) = copies.iter().find(|copy| copy.precision == precision) {
            return Ok(copy.model.clone());
        }
        let bytes = backbone.byte_size();
        let reservation = self.reserve(&format!("attributing with `{}`", source.version), bytes)?;
        let model = Rc::new(backbone.differentiable(precision)?);
        let reservations = vec![reservation.settle(source.version.clone(), Part::Copy, bytes)];
        if let Some(resident) = self.models.get_mut(&source.version) {
            resident.copies.push(Copy { precision, model: model.clone(), reservations, workspace: 0 });
        }
        Ok(model)
    }

    /// Sets working memory of a copy aside, which it keeps from pass to pass.
    pub(super) fn reserve_workspace(&mut self, source: &ModelSource, precision: Precision, bytes: u64) -> Result<()> {
        let _leased = self.differentiable(source, precision)?;
        let of = |copy: &&mut Copy| copy.precision == precision;
        let copy = self.models.get_mut(&source.version).and_then(|resident| resident.copies.iter_mut().find(of));
        let more = copy.map_or(0, |copy| bytes.saturating_sub(copy.workspace));
        if more == 0 {
            return Ok(());
        }
        let reservation = self.reserve(&format!("attributing with `{}`", source.version), more)?;
        let reservation = reservation.settle(source.version.clone(), Part::Copy, more);
        let copy = self.models.get_mut(&source.version).and_then(|resident| resident.copies.iter_mut().find(of));
        if let Some(copy) = copy {
            copy.workspace += more;
            copy.reservations.push(reservation);
        }
        Ok(())
    }

    /// As `lease`, and the version stays resident until it is unloaded.
    pub(super) fn pin(&mut self, source: &ModelSource) -> Result<Network> {
        let network = self.network(source)?;
        if let Some(resident) = self.models.get_mut(&source.version) {
            resident.pinned = true;
            self.ledger.pin(&source.version);
        }
        Ok(network)
    }

    /// Frees a version; answers with its bytes, zero when it is not resident.
    pub(super) fn unload(&mut self, version: &VersionName) -> Result<u64> {
        if self.models.get(version).is_some_and(Resident::is_leased) {
            let message = format!("`{version}` is in use by running work; cancel it or wait for its end");
            return Err(
                Error::failed_precondition("MODEL_IN_USE", message).with_resource("model version", version.to_string())
            );
        }
        let freed = self.models.remove(version).map_or(0, |resident| resident.bytes());
        self.trim();
        Ok(freed)
    }

    /// Sets bytes aside for work's own tensors, letting idle copies and versions go if they are in the way.
    pub fn reserve(&mut self, purpose: &str, need: impl Into<Need>) -> Result<Reservation> {
        let need = need.into();
        while !self.ledger.fits(need) && (self.drop_idle_copy() || self.evict()) {}
        self.ledger.reserve(purpose, need)
    }

    /// What work can have when everything else has ended.
    pub(super) fn at_best(&self) -> u64 {
        self.ledger.at_best()
    }

    /// Bytes of the version, unless it stays loaded anyway.
    pub(super) fn own_bytes(&mut self, source: &ModelSource) -> Result<u64> {
        let bytes = self.network(source)?.byte_size();
        let pinned = self.models.get(&source.version).is_some_and(|resident| resident.pinned);
        Ok(if pinned && !self.ledger.evicts_pinned() { 0 } else { bytes })
    }

    pub(super) fn footprints(&mut self) -> &mut Footprints {
        &mut self.footprints
    }

    /// Gives memory that the allocators keep back to the system.
    pub(super) fn trim(&self) {
        torch::trim_memory();
        if let Device::Cuda(_) = self.device
            && let Err(error) = torch::empty_device_cache()
        {
            tracing::warn!(error = %error, "the device's cache was not emptied");
        }
    }

    fn read(&mut self, source: &ModelSource) -> Result<Resident> {
        // Held while the adapter is read, and by it afterwards.
        let base = source.base.as_deref().map(|base| self.lease_language(base)).transpose()?;
        let size = std::fs::metadata(&source.path).map_err(|error| unreadable(source, error))?.len();
        let is_text = source.spec.format == ModelFormat::HuggingFace;
        let reservation = self.reserve(&format!("loading `{}`", source.version), self.loading_bytes(size, is_text))?;
        verify(source)?;
        let network = match (is_text, base) {
            (true, Some(base)) => Network::Text(Rc::new(base.adapted(&source.path)?)),
            (true, None) => Network::Text(Rc::new(Language::load(&source.path, &source.spec, self.device)?)),
            (false, _) => Network::Images(Rc::new(Backbone::load(&source.path, &source.spec, self.device)?)),
        };
        let reservation = reservation.settle(source.version.clone(), Part::Own, network.byte_size());
        Ok(Resident { network, reservation, pinned: false, last_use: 0, copies: Vec::new() })
    }

    /// While a file is loaded into main memory, its bytes are there beside the tensors; a language model's are memory-mapped.
    fn loading_bytes(&self, file_size: u64, is_mapped: bool) -> u64 {
        match self.device {
            Device::Cpu if is_mapped => file_size,
            Device::Cuda(_) => file_size,
            Device::Cpu | Device::Mps | Device::Vulkan => file_size.saturating_mul(2),
        }
    }

    /// Frees an idle copy for attribution; whether there was one.
    fn drop_idle_copy(&mut self) -> bool {
        self.models.values_mut().any(|resident| {
            let idle = resident.copies.iter().position(|copy| !copy.is_leased());
            idle.map(|index| resident.copies.swap_remove(index)).is_some()
        })
    }

    /// Frees the idle version that was used longest ago, of those nobody pinned first; whether there was one.
    fn evict(&mut self) -> bool {
        let oldest = |pinned: bool| {
            let idle = self.models.iter().filter(|(_, resident)| resident.pinned == pinned && !resident.is_leased());
            idle.min_by_key(|(_, resident)| resident.last_use).map(|(version, _)| version.clone())
        };
        let evicts_pinned = self.ledger.evicts_pinned();
        let Some(version) = oldest(false).or_else(|| evicts_pinned.then(|| oldest(true)).flatten()) else {
            return false;
        };
        tracing::info!(%version, "an idle version made room");
        self.models.remove(&version).is_some()
    }
}

/// A damaged file of weights often loads without complaint, so its hash is compared first.
fn verify(source: &ModelSource) -> Result<()> {
    if source.sha256.is_empty()
        || files::sha256(&source.path).map_err(|error| unreadable(source, error))? == source.sha256
    {
        return Ok(());
    }
    let message = format!("the stored weights of `{}` have changed since they were registered", source.version);
    Err(Error::new(ErrorKind::DataLoss, "WEIGHTS_CORRUPT", message)
        .with_resource("model version", source.version.to_string()))
}

fn unreadable(source: &ModelSource, error: io::Error) -> Error {
    let message = format!("the stored weights of `{}` cannot be read", source.version);
    Error::new(ErrorKind::DataLoss, "WEIGHTS_UNREADABLE", message)
        .with_resource("model version", source.version.to_string())
        .with_source(error)
}
