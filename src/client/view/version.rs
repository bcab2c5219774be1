//! Versions of a model.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ProvenanceView, View, rfc3339, some};
use crate::client::{names, table};
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct VersionView {
    pub(crate) name: String,
    pub(crate) parent: Option<String>,
    pub(crate) job: Option<String>,
    pub(crate) origin: String,
    pub(crate) sha256: String,
    pub(crate) size_bytes: u64,
    pub(crate) parameter_count: u64,
    pub(crate) served: bool,
    pub(crate) resident: bool,
    pub(crate) create_time: Option<String>,
    pub(crate) dataset_hashes: BTreeMap<String, String>,
    pub(crate) provenance: Option<ProvenanceView>,
    pub(crate) etag: String,
    /// Of an adapter: the version whose weights it runs on.
    pub(crate) base: Option<String>,
    pub(crate) lora_rank: Option<u32>,
    /// Of labelled texts, as it was trained on them.
    pub(crate) label_prompt: Option<String>,
}

impl VersionView {
    pub(crate) fn of(version: &v1::ModelVersion) -> Self {
        Self {
            name: version.name.clone(),
            parent: some(&version.parent),
            job: some(&version.job),
            origin: version.origin.to_lowercase().replace('_', "-"),
            sha256: version.sha256.clone(),
            size_bytes: version.size_bytes,
            parameter_count: version.parameter_count,
            served: version.served,
            resident: version.resident,
            create_time: rfc3339(version.create_time.as_ref()),
            dataset_hashes: version.dataset_hashes.clone().into_iter().collect(),
            provenance: ProvenanceView::of(version.provenance.as_ref()),
            etag: version.etag.clone(),
            base: some(&version.base),
            lora_rank: version.lora.as_ref().and_then(|lora| lora.rank),
            label_prompt: version.text_options.as_ref().and_then(|options| some(&options.label_prompt)),
        }
    }
}

impl VersionView {
    fn base_text(&self) -> String {
        match (&self.base, self.lora_rank) {
            (None, _) => String::new(),
            (Some(base), None) => base.clone(),
            (Some(base), Some(rank)) => format!("{base}, with an adapter of rank {rank}"),
        }
    }
}

impl View for VersionView {
    fn text(&self) -> String {
        table::pairs(&[
            ("version", self.name.clone()),
            ("origin", self.origin.clone()),
            ("parent", self.parent.clone().unwrap_or_default()),
            ("runs on", self.base_text()),
            ("asked by", self.label_prompt.as_ref().map(|prompt| format!("{prompt:?}")).unwrap_or_default()),
            ("job", self.job.clone().unwrap_or_default()),
            ("sha256", self.sha256.clone()),
            ("size", table::bytes(self.size_bytes)),
            ("parameters", self.parameter_count.to_string()),
            ("served", yes_no(self.served)),
            ("in memory", yes_no(self.resident)),
            ("created", table::time(self.create_time.as_deref())),
        ])
    }
}

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

#[derive(Debug, Serialize)]
pub(crate) struct VersionList {
    pub(crate) versions: Vec<VersionView>,
}

impl View for VersionList {
    fn text(&self) -> String {
        let mut table = table::new(&["version", "served", "in memory", "origin", "parent", "job", "sha256", "created"]);
        for version in &self.versions {
            table.add_row([
                names::short(&version.name),
                yes_no(version.served),
                yes_no(version.resident),
                version.origin.clone(),
                version.parent.as_deref().map(names::short).unwrap_or_default(),
                version.job.as_deref().map(names::id).unwrap_or_default().to_owned(),
                version.sha256.chars().take(12).collect(),
                table::time(version.create_time.as_deref()),
            ]);
        }
        table::text(&table)
    }
}
