//! Datasets.

use serde::Serialize;

use super::{View, class_name, rfc3339, some};
use crate::client::words::Words;
use crate::client::{names, table};
use crate::pb::v1;

#[derive(Debug, Serialize)]
pub(crate) struct DatasetView {
    pub(crate) name: String,
    pub(crate) uri: Option<String>,
    pub(crate) format: &'static str,
    pub(crate) class_names: Vec<String>,
    pub(crate) splits: Vec<SplitView>,
    pub(crate) content_hash: String,
    pub(crate) height: u32,
    pub(crate) width: u32,
    pub(crate) channels: u32,
    pub(crate) columns: Vec<String>,
    pub(crate) size_bytes: u64,
    pub(crate) create_time: Option<String>,
    /// Absent for images.
    pub(crate) text_form: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct SplitView {
    pub(crate) name: String,
    pub(crate) sample_count: i64,
    /// In the order of `class_names`.
    pub(crate) class_counts: Vec<i64>,
}

impl DatasetView {
    pub(crate) fn of(dataset: &v1::Dataset) -> Self {
        Self {
            name: dataset.name.clone(),
            uri: some(&dataset.uri),
            format: dataset.format().word(),
            class_names: dataset.class_names.clone(),
            splits: dataset.splits.iter().map(SplitView::of).collect(),
            content_hash: dataset.content_hash.clone(),
            height: dataset.height,
            width: dataset.width,
            channels: dataset.channels,
            columns: dataset.columns.clone(),
            size_bytes: dataset.size_bytes,
            create_time: rfc3339(dataset.create_time.as_ref()),
            text_form: (dataset.text_form() != v1::TextForm::Unspecified).then(|| dataset.text_form().word()),
        }
    }

    /// What a sample is.
    fn sample_text(&self) -> String {
        if let Some(form) = self.text_form {
            return format!("{form} texts");
        }
        let sides = if self.height == 0 { "mixed".to_owned() } else { format!("{}×{}", self.height, self.width) };
        format!("{sides}×{}", self.channels)
    }

    fn splits_text(&self) -> String {
        let splits: Vec<String> =
            self.splits.iter().map(|split| format!("{} {}", split.name, split.sample_count)).collect();
        splits.join(", ")
    }
}

impl SplitView {
    fn of(split: &v1::dataset::Split) -> Self {
        let v1::dataset::Split { name, sample_count, class_counts } = split.clone();
        Self { name, sample_count, class_counts }
    }
}

impl View for DatasetView {
    fn text(&self) -> String {
        let text = table::pairs(&[
            ("dataset", self.name.clone()),
            ("uri", self.uri.clone().unwrap_or_default()),
            ("format", self.format.to_owned()),
            ("samples", self.sample_text()),
            ("columns", self.columns.join(", ")),
            ("content", self.content_hash.clone()),
            ("on disk", table::bytes(self.size_bytes)),
            ("created", table::time(self.create_time.as_deref())),
        ]);
        text + "\n" + &self.counts_table()
    }
}

impl DatasetView {
    fn counts_table(&self) -> String {
        let headers: Vec<&str> = std::iter::once("class").chain(self.splits.iter().map(|s| s.name.as_str())).collect();
        let mut table = table::of_figures(&headers);
        let classes = self.splits.iter().map(|split| split.class_counts.len()).max().unwrap_or(0);
        for class in 0..classes {
            let counts =
                self.splits.iter().map(|split| split.class_counts.get(class).copied().unwrap_or(0).to_string());
            table.add_row(std::iter::once(class_name(&self.class_names, class)).chain(counts));
        }
        let totals = self.splits.iter().map(|split| split.sample_count.to_string());
        table.add_row(std::iter::once("all".to_owned()).chain(totals));
        table::text(&table)
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct DatasetList {
    pub(crate) datasets: Vec<DatasetView>,
}

impl View for DatasetList {
    fn text(&self) -> String {
        let mut table = table::new(&["dataset", "format", "samples", "classes", "splits", "on disk", "created"]);
        for dataset in &self.datasets {
            table.add_row([
                names::id(&dataset.name).to_owned(),
                dataset.format.to_owned(),
                dataset.sample_text(),
                dataset.class_names.len().to_string(),
                dataset.splits_text(),
                table::bytes(dataset.size_bytes),
                table::time(dataset.create_time.as_deref()),
            ]);
        }
        table::text(&table)
    }
}
