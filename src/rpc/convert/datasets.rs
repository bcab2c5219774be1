//! datasets.proto.

use super::common::{request_id, short_text, timestamp};
use super::fields::{known, parsed, required_text, wire_count};
use super::models::distinct_names;
use crate::domain::dataset::{DatasetFormat, DatasetRecord, SplitRecord};
use crate::domain::text::{TextColumns, TextForm};
use crate::domain::{Error, Result};
use crate::engine::{BeginUpload, RegisterDataset};
use crate::pb::v1 as pb;
use crate::pb::v1::upload_dataset_request::Header;

impl TryFrom<pb::RegisterDatasetRequest> for RegisterDataset {
    type Error = Error;

    fn try_from(value: pb::RegisterDatasetRequest) -> Result<Self> {
        let pb::RegisterDatasetRequest {
            dataset_id,
            uri,
            format: format_number,
            split,
            image_column,
            label_column,
            class_names,
            request_id: id,
            text,
        } = value;
        Ok(Self {
            id: parsed(&dataset_id, "dataset_id")?,
            uri: required_text(uri, "uri")?,
            format: format(format_number)?,
            split: short_text(split, "split")?,
            image_column: short_text(image_column, "image_column")?,
            label_column: short_text(label_column, "label_column")?,
            class_names: distinct_names(class_names)?,
            text: text.map(text_columns).transpose().map_err(|error| error.under("text"))?,
            request_id: request_id(id)?,
        })
    }
}

impl TryFrom<Header> for BeginUpload {
    type Error = Error;

    fn try_from(value: Header) -> Result<Self> {
        let Header {
            dataset_id,
            format: format_number,
            split,
            image_column,
            label_column,
            class_names,
            request_id: id,
            text,
        } = value;
        Ok(Self {
            id: parsed(&dataset_id, "dataset_id")?,
            format: uploadable(format_number)?,
            split: short_text(split, "split")?,
            image_column: short_text(image_column, "image_column")?,
            label_column: short_text(label_column, "label_column")?,
            class_names: distinct_names(class_names)?,
            text: text.map(text_columns).transpose().map_err(|error| error.under("text"))?,
            request_id: request_id(id)?,
        })
    }
}

fn text_columns(value: pb::TextColumns) -> Result<TextColumns> {
    let pb::TextColumns { prompt_column, answer_column, messages_column, text_column } = value;
    let stated = |name: String, field| Ok(Some(short_text(name, field)?).filter(|name| !name.is_empty()));
    Ok(TextColumns {
        prompt: stated(prompt_column, "prompt_column")?,
        answer: stated(answer_column, "answer_column")?,
        messages: stated(messages_column, "messages_column")?,
        text: stated(text_column, "text_column")?,
        label: None,
    })
}

/// `None`: by the name of file or folder.
fn format(number: i32) -> Result<Option<DatasetFormat>> {
    Ok(match known(number, "format")? {
        pb::DatasetFormat::Unspecified => None,
        pb::DatasetFormat::Parquet => Some(DatasetFormat::Parquet),
        pb::DatasetFormat::ImageFolder => Some(DatasetFormat::ImageFolder),
        pb::DatasetFormat::Safetensors => Some(DatasetFormat::Safetensors),
        pb::DatasetFormat::Npz => Some(DatasetFormat::Npz),
        pb::DatasetFormat::Csv => Some(DatasetFormat::Csv),
        pb::DatasetFormat::Jsonl => Some(DatasetFormat::Jsonl),
    })
}

/// One file holds the whole dataset, and there is no name to guess the format from.
fn uploadable(number: i32) -> Result<DatasetFormat> {
    match format(number)? {
        None => Err(Error::invalid("MISSING_FIELD", "format", "is required")),
        Some(DatasetFormat::ImageFolder) => {
            let description = "an image folder cannot be uploaded; put it into a root of the daemon and register it, or upload a Parquet file";
            Err(Error::invalid("FORMAT_NOT_UPLOADABLE", "format", description))
        }
        Some(
            format @ (DatasetFormat::Parquet
            | DatasetFormat::Safetensors
            | DatasetFormat::Npz
            | DatasetFormat::Csv
            | DatasetFormat::Jsonl),
        ) => Ok(format),
    }
}

impl From<DatasetFormat> for pb::DatasetFormat {
    fn from(value: DatasetFormat) -> Self {
        match value {
            DatasetFormat::Parquet => Self::Parquet,
            DatasetFormat::ImageFolder => Self::ImageFolder,
            DatasetFormat::Safetensors => Self::Safetensors,
            DatasetFormat::Npz => Self::Npz,
            DatasetFormat::Csv => Self::Csv,
            DatasetFormat::Jsonl => Self::Jsonl,
        }
    }
}

impl From<SplitRecord> for pb::dataset::Split {
    fn from(value: SplitRecord) -> Self {
        let SplitRecord { name, sample_count, class_counts } = value;
        Self {
            name,
            sample_count: wire_count(sample_count),
            class_counts: class_counts.into_iter().map(wire_count).collect(),
        }
    }
}

impl From<DatasetRecord> for pb::Dataset {
    fn from(value: DatasetRecord) -> Self {
        let DatasetRecord {
            id,
            uri,
            format,
            text_form,
            class_names,
            splits,
            content_hash,
            image_shape,
            columns,
            size_bytes,
            create_time,
        } = value;
        Self {
            name: id.to_string(),
            uri,
            format: pb::DatasetFormat::from(format).into(),
            class_names,
            splits: splits.into_iter().map(Into::into).collect(),
            content_hash,
            height: image_shape.map_or(0, |shape| shape.height),
            width: image_shape.map_or(0, |shape| shape.width),
            channels: image_shape.map_or(0, |shape| shape.channels),
            columns,
            size_bytes,
            create_time: timestamp(create_time),
            text_form: pb::TextForm::from(text_form).into(),
        }
    }
}

impl From<Option<TextForm>> for pb::TextForm {
    fn from(value: Option<TextForm>) -> Self {
        match value {
            None => Self::Unspecified,
            Some(TextForm::Completion) => Self::Completion,
            Some(TextForm::Chat) => Self::Chat,
            Some(TextForm::Labelled) => Self::Labelled,
            Some(TextForm::Plain) => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violated(format: pb::DatasetFormat) -> String {
        let header = Header { dataset_id: "d".into(), format: format.into(), ..Default::default() };
        BeginUpload::try_from(header).unwrap_err().violations[0].field.clone()
    }

    #[test]
    fn an_upload_needs_a_format_of_one_file() {
        assert_eq!(violated(pb::DatasetFormat::Unspecified), "format");
        assert_eq!(violated(pb::DatasetFormat::ImageFolder), "format");
    }

    #[test]
    fn registering_needs_a_place() {
        let request = pb::RegisterDatasetRequest { dataset_id: "d".into(), ..Default::default() };
        assert_eq!(RegisterDataset::try_from(request).unwrap_err().violations[0].field, "uri");
    }
}
