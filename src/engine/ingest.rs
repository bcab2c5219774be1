//! What is read when a dataset is registered: images or texts, by what the request says and else by the file's name.

use std::path::{Path, PathBuf};

use super::requests::RegisterDataset;
use crate::domain::dataset::{DatasetFormat, DatasetRecord};
use crate::domain::ids::DatasetId;
use crate::domain::text::TextColumns;
use crate::domain::{Error, Result};
use crate::storage::datasets::{IngestRequest, Limits, TextIngestRequest, ingest_text_within, ingest_within};

#[derive(Debug)]
pub(super) enum Ingest {
    Images(IngestRequest),
    Texts(TextIngestRequest),
}

impl Ingest {
    /// `path` is what the request's URI means, or where an upload lies.
    ///
    /// # Errors
    /// `CONFLICTING_FIELDS` where a request for texts names a column of images.
    pub(super) fn new(request: RegisterDataset, path: PathBuf) -> Result<Self> {
        let holds_texts = request.text.is_some() || holds_texts(request.format, &path);
        if holds_texts && !request.image_column.is_empty() {
            let description = "a dataset of texts has no images; leave it out";
            return Err(Error::invalid("CONFLICTING_FIELDS", "image_column", description));
        }
        Ok(if holds_texts { Self::Texts(texts(request, path)) } else { Self::Images(images(request, path)) })
    }

    pub(super) fn id(&self) -> &DatasetId {
        match self {
            Self::Images(request) => &request.id,
            Self::Texts(request) => &request.id,
        }
    }

    /// Reads, checks and stores the dataset in `folder`.
    pub(super) fn read(&self, folder: &Path, limits: &Limits) -> Result<DatasetRecord> {
        match self {
            Self::Images(request) => ingest_within(request, folder, limits, &|_, _| {}),
            Self::Texts(request) => ingest_text_within(request, folder, limits, &|_, _| {}),
        }
    }
}

/// JSON lines hold nothing else.
fn holds_texts(format: Option<DatasetFormat>, path: &Path) -> bool {
    let by_name = || DatasetFormat::from_path(path).ok().filter(|_| path.is_file());
    format.or_else(by_name) == Some(DatasetFormat::Jsonl)
}

fn images(request: RegisterDataset, path: PathBuf) -> IngestRequest {
    IngestRequest {
        id: request.id,
        uri: request.uri,
        path,
        format: request.format,
        split: stated(request.split),
        image_column: stated(request.image_column),
        label_column: stated(request.label_column),
        class_names: request.class_names,
    }
}

fn texts(request: RegisterDataset, path: PathBuf) -> TextIngestRequest {
    TextIngestRequest {
        id: request.id,
        uri: request.uri,
        path,
        format: request.format,
        split: stated(request.split),
        columns: TextColumns { label: stated(request.label_column), ..request.text.unwrap_or_default() },
        class_names: request.class_names,
    }
}

/// An empty text says nothing.
fn stated(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
