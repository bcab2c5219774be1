//! Writes one split of texts (see `manifest` for the form).

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::domain::dataset::SplitRecord;
use crate::domain::text::TextExample;
use crate::domain::{Error, Result};
use crate::storage::datasets::writer::{HashedFile, TextColumn};

use super::manifest::StoredTexts;

#[derive(Debug)]
pub(super) struct TextWriter {
    pub(super) name: String,
    examples: HashedFile,
    offsets: HashedFile,
    labels: Option<HashedFile>,
    columns: Vec<TextColumn>,
    class_counts: Vec<u64>,
    sample_count: u64,
    content: Sha256,
}

/// What became of a split.
#[derive(Debug)]
pub(super) struct FinishedTexts {
    pub(super) stored: StoredTexts,
    pub(super) class_counts: Vec<u64>,
    /// SHA-256 over (label, example) in order.
    pub(super) content: [u8; 32],
}

impl TextWriter {
    pub(super) fn create(folder: &Path, number: usize, name: &str, labelled: bool, columns: &[String]) -> Result<Self> {
        let file = |suffix: &str| HashedFile::create(folder, format!("{number}.{suffix}"));
        let column =
            |(index, name): (usize, &String)| TextColumn::create(folder, format!("{number}.column-{index}"), name);
        Ok(Self {
            name: name.to_owned(),
            examples: file("examples")?,
            offsets: file("examples.offsets")?.starting_at_zero()?,
            labels: labelled.then(|| file("labels")).transpose()?,
            columns: columns.iter().enumerate().map(column).collect::<Result<_>>()?,
            class_counts: Vec::new(),
            sample_count: 0,
            content: Sha256::new(),
        })
    }

    pub(super) fn add(&mut self, example: &TextExample, label: Option<u32>, columns: &[String]) -> Result<()> {
        let mut line = serde_json::to_vec(example)
            .map_err(|error| Error::internal("failed to store an example").with_source(error))?;
        line.push(b'\n');
        self.content.update((line.len() as u64).to_le_bytes());
        self.content.update(&line);
        self.examples.write(&line)?;
        self.offsets.write(&self.examples.size.to_le_bytes())?;
        if let (Some(label), Some(labels)) = (label, &mut self.labels) {
            labels.write(&label.to_le_bytes())?;
            self.content.update(label.to_le_bytes());
            self.count(label as usize);
        }
        self.sample_count += 1;
        self.columns.iter_mut().zip(columns).try_for_each(|(column, value)| column.add(value))
    }

    fn count(&mut self, class: usize) {
        if self.class_counts.len() <= class {
            self.class_counts.resize(class + 1, 0);
        }
        self.class_counts[class] += 1;
    }

    pub(super) fn size(&self) -> u64 {
        self.examples.size
    }

    /// Makes the files durable.
    pub(super) fn finish(self) -> Result<FinishedTexts> {
        let stored = StoredTexts {
            name: self.name,
            sample_count: self.sample_count,
            examples: self.examples.finish()?,
            offsets: self.offsets.finish()?,
            labels: self.labels.map(HashedFile::finish).transpose()?,
            columns: self.columns.into_iter().map(TextColumn::finish).collect::<Result<_>>()?,
        };
        Ok(FinishedTexts { stored, class_counts: self.class_counts, content: self.content.finalize().into() })
    }
}

impl FinishedTexts {
    pub(super) fn record(&self, class_count: usize) -> SplitRecord {
        let mut class_counts = self.class_counts.clone();
        class_counts.resize(class_count, 0);
        SplitRecord { name: self.stored.name.clone(), sample_count: self.stored.sample_count, class_counts }
    }
}
