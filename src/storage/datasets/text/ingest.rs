//! Reads a source of texts, checks every example and stores the dataset in a folder of its own, whole or not at all.
//!
//! Content hash: SHA-256 over form, class names and, sorted by name, the splits: their names and (example, label) of each sample.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::domain::dataset::{DatasetFormat, DatasetRecord};
use crate::domain::ids::DatasetId;
use crate::domain::text::{TextColumns, TextExample, TextForm};
use crate::domain::{Error, Result};
use crate::storage::atomic;
use crate::storage::datasets::classes::Classes;
use crate::storage::datasets::ingest::Staging;
use crate::storage::datasets::limits::Limits;
use crate::storage::datasets::sample::Place;

use super::columns::{Layout, RawText};
use super::manifest::{TextManifest, VERSION};
use super::survey::{Survey, label_names};
use super::table::{Row, Table, open};
use super::writer::{FinishedTexts, TextWriter};

const MAX_SPLIT_NAME_CHARS: usize = 63;

/// What to read and how to understand it.
#[derive(Debug, Clone)]
pub struct TextIngestRequest {
    pub id: DatasetId,
    /// As the client gave it; empty for uploads.
    pub uri: String,
    /// Where the file or folder is on this machine.
    pub path: PathBuf,
    /// Absent: from the path.
    pub format: Option<DatasetFormat>,
    /// What to call the only split (absent: from the file's name, else `train`), or which of several to read.
    pub split: Option<String>,
    pub columns: TextColumns,
    /// In the order of the class indices; empty: as the source says.
    pub class_names: Vec<String>,
}

/// Reads, checks, hashes and stores a dataset in `folder`, which must not exist yet. `progress` hears (done, total) examples.
pub fn ingest_text(request: &TextIngestRequest, folder: &Path, progress: &dyn Fn(u64, u64)) -> Result<DatasetRecord> {
    ingest_text_within(request, folder, &Limits::default(), progress)
}

/// `ingest_text` with other limits.
pub fn ingest_text_within(
    request: &TextIngestRequest,
    folder: &Path,
    limits: &Limits,
    progress: &dyn Fn(u64, u64),
) -> Result<DatasetRecord> {
    if folder.exists() {
        return Err(Error::already_exists("dataset", request.id.to_string()));
    }
    let split = request.split.as_deref().filter(|split| !split.is_empty());
    let (format, table) = open(&request.path, request.format, split, limits)?;
    let survey = Survey::of(&*table, limits)?;
    if survey.rows == 0 {
        return Err(Error::invalid("EMPTY_DATASET", "uri", "the dataset holds no samples"));
    }
    let layout = Layout::find(&survey, &request.columns.stated())?;
    let staging = Staging::create(folder)?;
    let mut pass = Pass::new(request, split, &*table, &layout, &staging.path, limits)?;
    progress(0, survey.rows);
    let mut done = 0;
    table.rows(&mut |split, place, row| {
        pass.take(split, &place, &row)?;
        done += 1;
        progress(done, survey.rows.max(done));
        Ok(())
    })?;
    let (manifest, splits) = pass.finish()?;
    manifest.write(&staging.path)?;
    let record = record(request, format, &layout, &manifest, &splits, staging.size()?);
    staging.publish(folder)?;
    Ok(record)
}

fn record(
    request: &TextIngestRequest,
    format: DatasetFormat,
    layout: &Layout,
    manifest: &TextManifest,
    splits: &[FinishedTexts],
    size_bytes: u64,
) -> DatasetRecord {
    DatasetRecord {
        id: request.id.clone(),
        uri: request.uri.clone(),
        format,
        text_form: Some(manifest.form),
        class_names: manifest.class_names.clone(),
        splits: splits.iter().map(|split| split.record(manifest.class_names.len())).collect(),
        content_hash: manifest.content_hash.clone(),
        image_shape: None,
        columns: layout.others.clone(),
        size_bytes,
        create_time: SystemTime::now(),
    }
}

/// The pass that writes.
struct Pass<'a> {
    layout: &'a Layout,
    /// With a `split` column, the only one to keep.
    asked: Option<&'a str>,
    folder: &'a Path,
    limits: &'a Limits,
    classes: Classes,
    /// Labels are names.
    named: bool,
    writers: Vec<TextWriter>,
}

impl<'a> Pass<'a> {
    fn new(
        request: &TextIngestRequest,
        asked: Option<&'a str>,
        table: &dyn Table,
        layout: &'a Layout,
        folder: &'a Path,
        limits: &'a Limits,
    ) -> Result<Self> {
        let found = match &layout.label {
            None => None,
            Some(label) => label_names(table, label, limits)?,
        };
        let named = found.is_some();
        let known = layout.label.as_ref().and_then(|label| table.class_names(label));
        let names = found.or(known);
        let asked_names = if layout.label.is_some() { request.class_names.as_slice() } else { &[] };
        if asked_names.is_empty() && !request.class_names.is_empty() {
            return Err(Error::invalid("CONFLICTING_FIELDS", "class_names", "the examples have no labels"));
        }
        let classes = Classes::new(asked_names, names.as_deref(), limits.classes)?;
        Ok(Self { layout, asked, folder, limits, classes, named, writers: Vec::new() })
    }

    fn take(&mut self, split: &str, place: &Place, row: &Row) -> Result<()> {
        let own = self.layout.split.as_ref().and_then(|column| row.get(column)).and_then(|value| value.as_str());
        if own.is_some_and(|own| self.asked.is_some_and(|asked| asked != own.trim())) {
            return Ok(());
        }
        let RawText { mut example, label, columns } = self.layout.read(row, self.named, place)?;
        let label = label.map(|label| self.classes.index(&label, place)).transpose()?;
        if let (TextExample::Labelled { label: place, .. }, Some(index)) = (&mut example, label) {
            *place = index;
        }
        let writer = self.writer(own.map_or(split, str::trim))?;
        self.writers[writer].add(&example, label, &columns)?;
        self.check_size()
    }

    fn check_size(&self) -> Result<()> {
        let stored: u64 = self.writers.iter().map(TextWriter::size).sum();
        if stored <= self.limits.stored_bytes {
            return Ok(());
        }
        let why = format!("its texts need more than {} bytes; register a part of it", self.limits.stored_bytes);
        Err(Error::invalid("DATASET_TOO_LARGE", "uri", why))
    }

    fn writer(&mut self, split: &str) -> Result<usize> {
        if let Some(found) = self.writers.iter().position(|writer| writer.name == split) {
            return Ok(found);
        }
        let number = self.writers.len();
        if split.is_empty() || split.chars().count() > MAX_SPLIT_NAME_CHARS || split.chars().any(char::is_control) {
            let why = format!("a split has no usable name; names have 1 to {MAX_SPLIT_NAME_CHARS} characters");
            return Err(Error::invalid("INVALID_SPLIT_NAME", "split", why));
        }
        if number == self.limits.splits {
            return Err(Error::invalid("TOO_MANY_SPLITS", "uri", format!("more than {number} splits")));
        }
        let columns = self.layout.others.len() * (number + 1);
        if columns > self.limits.columns {
            let why = format!("{columns} further columns over all splits; at most {} are kept", self.limits.columns);
            return Err(Error::invalid("TOO_MANY_COLUMNS", "uri", why));
        }
        let labelled = self.layout.label.is_some();
        self.writers.push(TextWriter::create(self.folder, number, split, labelled, &self.layout.others)?);
        Ok(number)
    }

    fn finish(self) -> Result<(TextManifest, Vec<FinishedTexts>)> {
        if self.writers.is_empty() {
            let asked = self.asked.unwrap_or_default();
            return Err(Error::invalid("UNKNOWN_SPLIT", "split", format!("no row belongs to split `{asked}`")));
        }
        let class_names = if self.layout.label.is_some() { self.classes.into_names() } else { Vec::new() };
        let mut splits = self.writers.into_iter().map(TextWriter::finish).collect::<Result<Vec<_>>>()?;
        splits.sort_by(|a, b| a.stored.name.cmp(&b.stored.name));
        let form = self.layout.form();
        let content_hash = content_hash(form, &class_names, &splits);
        let stored = splits.iter().map(|split| split.stored.clone()).collect();
        Ok((TextManifest { version: VERSION, content_hash, form, class_names, splits: stored }, splits))
    }
}

fn content_hash(form: TextForm, class_names: &[String], splits: &[FinishedTexts]) -> String {
    let mut hasher = Sha256::new();
    let text = |hasher: &mut Sha256, text: &str| {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    text(&mut hasher, &form.to_string());
    hasher.update((class_names.len() as u64).to_le_bytes());
    class_names.iter().for_each(|name| text(&mut hasher, name));
    for split in splits {
        text(&mut hasher, &split.stored.name);
        hasher.update(split.stored.sample_count.to_le_bytes());
        hasher.update(split.content);
    }
    atomic::hex(&hasher.finalize())
}
