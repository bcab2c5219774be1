//! One split of a stored text dataset, which hands out examples in any order to any thread.
//!
//! Examples are read by position (`pread`): they live in the page cache only, and no mapping can fault when a disk fails.

use std::cmp::Reverse;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::domain::dataset::Selector;
use crate::domain::text::{TextExample, TextForm, TextSource};
use crate::domain::{Error, Result};
use crate::storage::atomic;
use crate::storage::datasets::manifest::lost;
use crate::storage::datasets::select::Rows;

use super::manifest::{StoredTexts, TextManifest};

pub struct TextSplit {
    key: String,
    form: TextForm,
    stored: StoredTexts,
    folder: PathBuf,
    class_names: Vec<String>,
    labels: Vec<u32>,
    examples: File,
    offsets: Vec<u64>,
}

impl fmt::Debug for TextSplit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TextSplit")
            .field("key", &self.key)
            .field("examples", &self.len())
            .finish_non_exhaustive()
    }
}

impl TextSplit {
    pub(super) fn open(folder: &Path, manifest: &TextManifest, stored: &StoredTexts) -> Result<Self> {
        let labels = match &stored.labels {
            Some(labels) => labels.read(folder)?.as_chunks().0.iter().map(|label| u32::from_le_bytes(*label)).collect(),
            None => Vec::new(),
        };
        let split = Self {
            key: format!("{}/{}", manifest.content_hash, stored.name),
            form: manifest.form,
            offsets: stored.offsets.read_offsets(folder, stored.examples.size_bytes)?,
            examples: File::open(folder.join(&stored.examples.name))
                .map_err(|error| atomic::io_failed("open a dataset", error))?,
            stored: stored.clone(),
            folder: folder.to_owned(),
            class_names: manifest.class_names.clone(),
            labels,
        };
        if split.is_consistent() { Ok(split) } else { Err(lost("its files do not fit together")) }
    }

    fn is_consistent(&self) -> bool {
        let known = self.labels.iter().all(|label| (*label as usize) < self.class_names.len());
        let labelled = self.stored.labels.is_none() || self.labels.len() == self.len();
        known && labelled && self.offsets.len() as u64 == self.stored.sample_count + 1
    }

    pub fn name(&self) -> &str {
        &self.stored.name
    }

    /// Positions that match every condition of `selector`, ascending and each once; an empty selector means all. Errors name
    /// the field relative to the selector (`classes[0]`, `predicates[1].fraction`).
    pub fn select(&self, selector: &Selector) -> Result<Vec<usize>> {
        let rows = Rows {
            split: &self.stored.name,
            count: self.len(),
            labels: &self.labels,
            class_names: &self.class_names,
            columns: &self.stored.columns,
            folder: &self.folder,
        };
        rows.select(selector)
    }

    /// The examples that take most room, at most so many, in no order.
    pub fn longest(&self, count: usize) -> Result<Vec<TextExample>> {
        let bytes = |position: &usize| self.offsets[position + 1] - self.offsets[*position];
        let mut positions: Vec<usize> = (0..self.len()).collect();
        if count < positions.len() {
            positions.select_nth_unstable_by_key(count, |position| Reverse(bytes(position)));
        }
        positions.into_iter().take(count).map(|position| self.get(position)).collect()
    }

    /// Every value of a further column, in order: the author or group of each example.
    pub fn column(&self, name: &str) -> Result<Vec<String>> {
        let stored = self.stored.columns.iter().find(|column| column.name == name);
        let stored = stored.ok_or_else(|| {
            let shown: String = name.chars().take(80).collect();
            Error::invalid("UNKNOWN_COLUMN", "column", format!("no column `{shown}`"))
        })?;
        let values = stored.values.read(&self.folder)?;
        let offsets = stored.offsets.read_offsets(&self.folder, values.len() as u64)?;
        let text = |ends: &[u64]| {
            let range = usize::try_from(ends[0]).ok()?..usize::try_from(ends[1]).ok()?;
            String::from_utf8(values.get(range)?.to_vec()).ok()
        };
        let texts: Option<Vec<String>> = offsets.windows(2).map(text).collect();
        texts.filter(|texts| texts.len() == self.len()).ok_or_else(|| lost("a column is not what it was"))
    }
}

impl TextSource for TextSplit {
    fn key(&self) -> &str {
        &self.key
    }

    fn form(&self) -> TextForm {
        self.form
    }

    fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    fn labels(&self) -> &[u32] {
        &self.labels
    }

    fn get(&self, position: usize) -> Result<TextExample> {
        let ends = self.offsets.get(position..position + 2).ok_or_else(|| {
            let why = format!("position {position} is not in split `{}` of {} samples", self.name(), self.len());
            Error::invalid("INDEX_OUT_OF_RANGE", "", why)
        })?;
        let mut line = vec![0; usize::try_from(ends[1] - ends[0]).map_err(|_| lost("an example is too large"))?];
        self.examples.read_exact_at(&mut line, ends[0]).map_err(|error| atomic::io_failed("read a dataset", error))?;
        serde_json::from_slice(&line).map_err(|error| lost("an example is not what it was").with_source(error))
    }
}
