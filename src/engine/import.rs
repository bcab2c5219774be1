//! Adapters from elsewhere: checked against the weights that a language model runs on, and published as a version beside them.

use std::path::PathBuf;
use std::time::SystemTime;

use super::core::{CODE_VERSION, Core};
use super::failure::blocking;
use super::handle::Engine;
use super::models::request_key;
use super::requests::ImportVersion;
use super::sources::ModelUse;
use super::views::VersionView;
use crate::domain::Result;
use crate::domain::ids::ModelRef;
use crate::domain::model::{AdapterRecord, Lineage, VersionRecord};
use crate::ml::language::lora::AdapterFiles;
use crate::storage::atomic;
use crate::storage::store::RequestKey;

/// An adapter is smaller than its base; one of a tiny base in narrow numbers need not be.
const SMALLEST_BOUND: u64 = 64 << 20;

impl Engine {
    /// # Errors
    /// `MODEL_TAKES_IMAGES`; what the folder is refused for, naming `uri`: `MALFORMED_ADAPTER`, `UNSUPPORTED_ADAPTER`,
    /// `ADAPTER_MISMATCH` for one of another base, `NON_FINITE_ADAPTER`.
    pub async fn import_version(&self, request: ImportVersion) -> Result<VersionView> {
        let core = &self.core;
        core.check_ready()?;
        let key = request_key("ImportModelVersion", request.request_id.as_ref(), &request)?;
        let version = {
            let _turn = core.locks.lock(&format!("{}/import", request.model)).await;
            match core.version_made_before(key.as_ref()).await? {
                Some(made) => made,
                None => core.import(&request, key.as_ref()).await?,
            }
        };
        if request.promote {
            core.promote(&version.name, "").await?;
        }
        self.get_version(&version.name).await
    }
}

impl Core {
    async fn version_made_before(&self, key: Option<&RequestKey>) -> Result<Option<VersionRecord>> {
        let Some(key) = key else { return Ok(None) };
        match self.store.find_request(key).await? {
            Some(name) => self.store.version(&name.parse()?).await.map(Some),
            None => Ok(None),
        }
    }

    async fn import(&self, request: &ImportVersion, key: Option<&RequestKey>) -> Result<VersionRecord> {
        let served = self.find_model(&ModelRef::Served(request.model.clone())).await?;
        served.spec().check_takes_text()?;
        let base = match &served.version.adapter {
            Some(own) => self.find_model(&ModelRef::Version(own.base.clone())).await?,
            None => served,
        };
        let (roots, uri) = (self.roots.clone(), request.uri.clone());
        let most_bytes = SMALLEST_BOUND.max(base.version.size_bytes.saturating_mul(2));
        let read = blocking(move || AdapterFiles::read(&roots.resolve(&uri, "uri")?, most_bytes));
        let files = read.await.map_err(|error| error.about("uri"))?;
        let name = self.store.reserve_version(&request.model).await?;
        let target = self.layout.weights(&name, base.spec().format);
        let temporary = atomic::temporary_beside(&target);
        let fitted = base.device.fit_adapter(base.source.clone(), files, temporary.clone()).await;
        let fitted = fitted.map_err(|error| error.about("uri"))?;
        let digest = self.place(temporary, target).await?;
        let version = VersionRecord {
            name,
            sha256: digest.sha256,
            size_bytes: digest.size_bytes,
            parameter_count: base.version.parameter_count + fitted.parameter_count,
            lineage: imported(&base),
            create_time: SystemTime::now(),
            adapter: Some(AdapterRecord { base: base.name().clone(), lora: fitted.lora }),
            text_options: None,
        };
        self.store.insert_version(&version, key).await?;
        Ok(version)
    }

    async fn place(&self, temporary: PathBuf, target: PathBuf) -> Result<atomic::FileDigest> {
        blocking(move || {
            let digest = atomic::digest(&temporary)?;
            atomic::publish(&temporary, &target)?;
            Ok(digest)
        })
        .await
    }
}

fn imported(base: &ModelUse) -> Lineage {
    Lineage {
        parent: Some(base.name().clone()),
        job: None,
        origin: "IMPORTED".to_owned(),
        dataset_hashes: Vec::new(),
        config_hash: String::new(),
        seed: 0,
        code_version: CODE_VERSION.to_owned(),
    }
}
