//! What a number rests on.

use serde::Serialize;

use crate::pb::v1;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ProvenanceView {
    pub(crate) model_hash: String,
    pub(crate) data_hashes: Vec<String>,
    pub(crate) config_hash: String,
    pub(crate) seed: u64,
    pub(crate) code_version: String,
}

impl ProvenanceView {
    pub(crate) fn of(provenance: Option<&v1::Provenance>) -> Option<Self> {
        let v1::Provenance { model_hash, data_hashes, config_hash, seed, code_version } = provenance?.clone();
        Some(Self { model_hash, data_hashes, config_hash, seed, code_version })
    }
}
